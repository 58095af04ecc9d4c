"""Planted solutions of lesson 05; `planting` says how they are read."""


# %% fusion_layer, wrong: class maps first
def fusion_layer(features, class_maps, weight, bias):
    joined = torch.cat([class_maps, features], dim=1)
    return torch.nn.functional.conv2d(joined, weight, bias).relu()


# %% fusion_layer, wrong: no ReLU
def fusion_layer(features, class_maps, weight, bias):
    joined = torch.cat([features, class_maps], dim=1)
    return torch.nn.functional.conv2d(joined, weight, bias)


# %% fusion_layer, wrong: no biases
def fusion_layer(features, class_maps, weight, bias):
    joined = torch.cat([features, class_maps], dim=1)
    return torch.nn.functional.conv2d(joined, weight).relu()


# %% fusion_layer, wrong: ReLU before the biases
def fusion_layer(features, class_maps, weight, bias):
    joined = torch.cat([features, class_maps], dim=1)
    return torch.nn.functional.conv2d(joined, weight).relu() + bias.view(1, -1, 1, 1)


# %% fusion_layer, wrong: sigmoid instead of ReLU
def fusion_layer(features, class_maps, weight, bias):
    joined = torch.cat([features, class_maps], dim=1)
    return torch.sigmoid(torch.nn.functional.conv2d(joined, weight, bias))


# %% fusion_layer, wrong: looks at the first photo only
def fusion_layer(features, class_maps, weight, bias):
    joined = torch.cat([features[0], class_maps[0]])
    mixed = torch.einsum("dc,chw->dhw", weight[:, :, 0, 0], joined) + bias[:, None, None]
    return mixed.clamp(min=0)[None].expand(len(features), -1, -1, -1)


# %% fusion_layer, wrong: a reshape instead of a move of the channels
def fusion_layer(features, class_maps, weight, bias):
    joined = torch.cat([features, class_maps], dim=1)
    n, c, h, w = joined.shape
    mixed = joined.reshape(n, h, w, c) @ weight[:, :, 0, 0].T + bias
    return mixed.relu().permute(0, 3, 1, 2)


# %% fusion_layer, right: as a convolution
def fusion_layer(features, class_maps, weight, bias):
    joined = torch.cat([features, class_maps], dim=1)
    return torch.nn.functional.relu(torch.nn.functional.conv2d(joined, weight, bias))


# %% fusion_layer, right: two parts, added, in NumPy
def fusion_layer(features, class_maps, weight, bias):
    c = features.shape[1]
    w = weight.double().numpy()[:, :, 0, 0]
    ours = np.tensordot(w[:, :c], features.double().numpy(), axes=(1, 1))
    theirs = np.tensordot(w[:, c:], class_maps.double().numpy(), axes=(1, 1))
    mixed = np.moveaxis(ours + theirs, 0, 1) + bias.numpy().reshape(1, -1, 1, 1)
    return np.maximum(mixed, 0)


# %% fusion_layer, right: place by place
def fusion_layer(features, class_maps, weight, bias):
    n, _, height, width = features.shape
    result = torch.zeros(n, len(weight), height, width)
    for i in range(n):
        for y in range(height):
            for x in range(width):
                numbers = features[i, :, y, x].tolist() + class_maps[i, :, y, x].tolist()
                for d in range(len(weight)):
                    total = bias[d].item()
                    for number, factor in zip(numbers, weight[d, :, 0, 0].tolist()):
                        total += number * factor
                    result[i, d, y, x] = max(total, 0)
    return result


# %% parameters_of, wrong: no biases
def parameters_of(channels, kernels):
    return sum(a * b * k * k for a, b, k in zip(channels, channels[1:], kernels))


# %% parameters_of, wrong: one bias for each channel that goes in
def parameters_of(channels, kernels):
    return sum(a * b * k * k + a for a, b, k in zip(channels, channels[1:], kernels))


# %% parameters_of, wrong: kernels not squared
def parameters_of(channels, kernels):
    return sum(a * b * k + b for a, b, k in zip(channels, channels[1:], kernels))


# %% parameters_of, wrong: one bias for each convolution
def parameters_of(channels, kernels):
    return sum(a * b * k * k + 1 for a, b, k in zip(channels, channels[1:], kernels))


# %% parameters_of, wrong: leaves the last convolution out
def parameters_of(channels, kernels):
    total = 0
    for i in range(len(kernels) - 1):
        total += channels[i + 1] * (channels[i] * kernels[i] ** 2 + 1)
    return total


# %% parameters_of, wrong: hard-coded from the text
def parameters_of(channels, kernels):
    return 113248


# %% parameters_of, right: PyTorch counts
def parameters_of(channels, kernels):
    count = 0
    for into, out, side in zip(channels, channels[1:], kernels):
        layer = torch.nn.Conv2d(into, out, side)
        count += layer.weight.numel() + layer.bias.numel()
    return count


# %% parameters_of, right: NumPy
def parameters_of(channels, kernels):
    channels, kernels = np.array(channels), np.array(kernels)
    return (channels[:-1] * channels[1:] * kernels**2).sum() + channels[1:].sum()


# %% normalised_maps, wrong: signs turn round
def normalised_maps(logits, train_logits):
    return logits / train_logits.amax(dim=(0, 2, 3))[:, None, None]


# %% normalised_maps, wrong: only what is below 0 counts as 1
def normalised_maps(logits, train_logits):
    largest = train_logits.amax(dim=(0, 2, 3))
    largest = torch.where(largest > 0, largest, 1.0)
    return logits / largest[:, None, None]


# %% normalised_maps, wrong: its own largest logits
def normalised_maps(logits, train_logits):
    return logits / logits.amax(dim=(0, 2, 3)).clamp(min=1)[:, None, None]


# %% normalised_maps, wrong: one largest logit for all classes
def normalised_maps(logits, train_logits):
    return logits / train_logits.max().clamp(min=1)


# %% normalised_maps, wrong: furthest from 0
def normalised_maps(logits, train_logits):
    return logits / train_logits.abs().amax(dim=(0, 2, 3)).clamp(min=1)[:, None, None]


# %% normalised_maps, wrong: the mean of the photos' largest logits
def normalised_maps(logits, train_logits):
    largest = train_logits.amax(dim=(2, 3)).mean(dim=0)
    return logits / largest.clamp(min=1)[:, None, None]


# %% normalised_maps, wrong: changes its input
def normalised_maps(logits, train_logits):
    logits /= train_logits.amax(dim=(0, 2, 3)).clamp(min=1)[:, None, None]
    return logits


# %% normalised_maps, right: NumPy
def normalised_maps(logits, train_logits):
    largest = np.maximum(train_logits.double().numpy().max(axis=(0, 2, 3), keepdims=True), 1)
    return logits.double().numpy() / largest


# %% normalised_maps, right: class by class
def normalised_maps(logits, train_logits):
    result = logits.clone()
    for c in range(logits.shape[1]):
        largest = max(1.0, train_logits[:, c].max().item())
        result[:, c] = logits[:, c] / largest
    return result


# %% paired_difference, wrong: the sign
def paired_difference(with_maps, without):
    d = without - with_maps
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))


# %% paired_difference, wrong: N in the denominator
def paired_difference(with_maps, without):
    d = with_maps - without
    return d.mean(), d.std() / np.sqrt(len(d))


# %% paired_difference, wrong: the standard deviation
def paired_difference(with_maps, without):
    d = with_maps - without
    return d.mean(), d.std(ddof=1)


# %% paired_difference, wrong: not in pairs
def paired_difference(with_maps, without):
    mean = with_maps.mean() - without.mean()
    return mean, np.sqrt((with_maps.var(ddof=1) + without.var(ddof=1)) / len(without))


# %% paired_difference, wrong: divided by N
def paired_difference(with_maps, without):
    d = with_maps - without
    return d.mean(), d.std(ddof=1) / len(d)


# %% paired_difference, wrong: without the sign
def paired_difference(with_maps, without):
    d = np.abs(with_maps - without)
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))


# %% paired_difference, wrong: changes its input
def paired_difference(with_maps, without):
    with_maps -= without
    return with_maps.mean(), with_maps.std(ddof=1) / np.sqrt(len(without))


# %% paired_difference, right: PyTorch
def paired_difference(with_maps, without):
    d = torch.from_numpy(with_maps) - torch.from_numpy(without)
    return d.mean(), d.std() / len(d) ** 0.5


# %% paired_difference, right: sums in a loop
def paired_difference(with_maps, without):
    n, total, squares = len(without), 0.0, 0.0
    for one, other in zip(with_maps, without):
        total += one - other
        squares += (one - other) ** 2
    variance = (squares - total**2 / n) / (n - 1)
    return [total / n, (variance / n) ** 0.5]


# %% claims_about_fusion, wrong: one too many
def claims_about_fusion():
    return "BCDF"


# %% claims_about_fusion, wrong: one missing
def claims_about_fusion():
    return "BD"


# %% claims_about_fusion, wrong: in another order
def claims_about_fusion():
    return "DBF"


# %% claims_about_fusion, right: put together
def claims_about_fusion():
    return "B" + "D" + "F"
