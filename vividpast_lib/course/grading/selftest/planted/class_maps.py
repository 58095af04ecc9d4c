"""Planted solutions of lesson 04; `planting` says how they are read."""


# %% soft_class_maps, wrong: overflows
def soft_class_maps(logits, temperature):
    powers = torch.exp(logits / temperature)
    return powers / powers.sum(dim=1, keepdim=True)


# %% soft_class_maps, wrong: one largest logit for all places
def soft_class_maps(logits, temperature):
    scaled = logits / temperature
    powers = torch.exp(scaled - scaled.max())
    return powers / powers.sum(dim=1, keepdim=True)


# %% soft_class_maps, wrong: multiplies by the temperature
def soft_class_maps(logits, temperature):
    return (logits * temperature).softmax(dim=1)


# %% soft_class_maps, wrong: no temperature
def soft_class_maps(logits, temperature):
    return logits.softmax(dim=1)


# %% soft_class_maps, wrong: along the rows
def soft_class_maps(logits, temperature):
    return (logits / temperature).softmax(dim=-1)


# %% soft_class_maps, wrong: changes its input
def soft_class_maps(logits, temperature):
    logits /= temperature
    return logits.softmax(dim=1)


# %% soft_class_maps, right: PyTorch's softmax
def soft_class_maps(logits, temperature):
    return torch.nn.functional.softmax(logits / temperature, dim=1)


# %% soft_class_maps, right: NumPy, by logarithms
def soft_class_maps(logits, temperature):
    z = logits.double().numpy() / temperature
    return np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))


# %% soft_class_maps, right: place by place
import math


def soft_class_maps(logits, temperature):
    result = torch.empty(logits.shape)
    n, k, height, width = logits.shape
    for i in range(n):
        for y in range(height):
            for x in range(width):
                z = [logits[i, c, y, x].item() / temperature for c in range(k)]
                for c in range(k):
                    result[i, c, y, x] = 1 / sum(math.exp(min(other - z[c], 700)) for other in z)
    return result


# %% one_hot_maps, wrong: void becomes the background
def one_hot_maps(class_map, classes):
    known = torch.where(class_map == 255, 0, class_map)
    return torch.nn.functional.one_hot(known, classes).movedim(-1, 1).float()


# %% one_hot_maps, wrong: void becomes the last class
def one_hot_maps(class_map, classes):
    known = class_map.clamp(max=classes - 1)
    return torch.nn.functional.one_hot(known, classes).movedim(-1, 1).float()


# %% one_hot_maps, wrong: the classes last
def one_hot_maps(class_map, classes):
    hot = torch.nn.functional.one_hot(class_map.clamp(max=classes), classes + 1)
    return hot[..., :classes].float()


# %% one_hot_maps, wrong: reshaped instead of moved
def one_hot_maps(class_map, classes):
    hot = torch.nn.functional.one_hot(class_map.clamp(max=classes), classes + 1)[..., :classes]
    n, height, width = class_map.shape
    return hot.reshape(n, classes, height, width).float()


# %% one_hot_maps, wrong: works only for one photo
def one_hot_maps(class_map, classes):
    return torch.stack([(class_map[0] == c).float() for c in range(classes)])[None]


# %% one_hot_maps, wrong: counts the classes that occur
def one_hot_maps(class_map, classes):
    numbers = [c for c in class_map.unique().tolist() if c != 255]
    return torch.stack([(class_map == c).float() for c in numbers], dim=1)


# %% one_hot_maps, wrong: does not know void
def one_hot_maps(class_map, classes):
    return torch.nn.functional.one_hot(class_map, classes).movedim(-1, 1).float()


# %% one_hot_maps, right: one class more, which is dropped
def one_hot_maps(class_map, classes):
    known = torch.where(class_map == 255, classes, class_map)
    return torch.nn.functional.one_hot(known, classes + 1).permute(0, 3, 1, 2)[:, :classes]


# %% one_hot_maps, right: NumPy and loops
def one_hot_maps(class_map, classes):
    n, height, width = class_map.shape
    maps = np.zeros((n, classes, height, width))
    for i in range(n):
        for y in range(height):
            for x in range(width):
                if class_map[i, y, x] != 255:
                    maps[i, class_map[i, y, x], y, x] = 1
    return maps


# %% mean_iou_of, wrong: classes in neither map count as 0
def mean_iou_of(predicted, true, classes):
    known, total = true != 255, 0
    for c in range(classes):
        both = ((predicted == c) & (true == c)).sum()
        either = (((predicted == c) | (true == c)) & known).sum()
        total += both / max(either, 1)
    return total / classes


# %% mean_iou_of, wrong: void places count in the union
def mean_iou_of(predicted, true, classes):
    ious = []
    for c in range(classes):
        both = ((predicted == c) & (true == c)).sum()
        either = ((predicted == c) | (true == c)).sum()
        if either > 0:
            ious.append(both / either)
    return sum(ious) / len(ious)


# %% mean_iou_of, wrong: only classes of the true map
def mean_iou_of(predicted, true, classes):
    known, ious = true != 255, []
    for c in range(classes):
        if (true == c).any():
            both = ((predicted == c) & (true == c)).sum()
            ious.append(both / (((predicted == c) | (true == c)) & known).sum())
    return torch.stack(ious).mean()


# %% mean_iou_of, wrong: the union counts both twice
def mean_iou_of(predicted, true, classes):
    known, ious = true != 255, []
    predicted, true = predicted[known], true[known]
    for c in range(classes):
        size = (predicted == c).sum() + (true == c).sum()
        if size > 0:
            ious.append(((predicted == c) & (true == c)).sum() / size)
    return torch.stack(ious).mean()


# %% mean_iou_of, wrong: photo by photo
def mean_iou_of(predicted, true, classes):
    ious = []
    for ours, theirs in zip(predicted, true):
        known = theirs != 255
        for c in range(classes):
            either = (((ours == c) | (theirs == c)) & known).sum()
            if either > 0:
                ious.append(((ours == c) & (theirs == c)).sum() / either)
    return torch.stack(ious).mean()


# %% mean_iou_of, wrong: the share of places that agree
def mean_iou_of(predicted, true, classes):
    known = true != 255
    return (predicted == true)[known].float().mean()


# %% mean_iou_of, wrong: changes its input
def mean_iou_of(predicted, true, classes):
    predicted[true == 255] = 255
    ious = []
    for c in range(classes):
        either = ((predicted == c) | (true == c)).sum()
        if either > 0:
            ious.append(((predicted == c) & (true == c)).sum() / either)
    return torch.stack(ious).mean()


# %% mean_iou_of, right: by a table of all pairs
def mean_iou_of(predicted, true, classes):
    known = (true != 255).numpy()
    table = np.zeros((classes, classes))
    np.add.at(table, (true.numpy()[known], predicted.numpy()[known]), 1)
    both = np.diag(table)
    either = table.sum(axis=0) + table.sum(axis=1) - both
    return (both[either > 0] / either[either > 0]).mean()


# %% mean_iou_of, right: sets of places
def mean_iou_of(predicted, true, classes):
    pairs = [(p, t) for p, t in zip(predicted.flatten().tolist(), true.flatten().tolist())]
    pairs = [(i, p, t) for i, (p, t) in enumerate(pairs) if t != 255]
    ious = []
    for c in range(classes):
        ours = {i for i, p, _ in pairs if p == c}
        theirs = {i for i, _, t in pairs if t == c}
        if ours | theirs:
            ious.append(len(ours & theirs) / len(ours | theirs))
    return np.mean(ious)


# %% mean_color_of_classes, wrong: sums
def mean_color_of_classes(ab, class_map, classes):
    colors = ab.movedim(1, -1)
    return torch.stack([colors[class_map == c].sum(dim=0) for c in range(classes)])


# %% mean_color_of_classes, wrong: divides by all pixels
def mean_color_of_classes(ab, class_map, classes):
    sums = [(ab * (class_map == c)[:, None]).sum(dim=(0, 2, 3)) for c in range(classes)]
    return torch.stack(sums) / class_map.numel()


# %% mean_color_of_classes, wrong: nan for a class without pixels
def mean_color_of_classes(ab, class_map, classes):
    colors = ab.movedim(1, -1)
    return torch.stack([colors[class_map == c].mean(dim=0) for c in range(classes)])


# %% mean_color_of_classes, wrong: a reshape mixes a and b
def mean_color_of_classes(ab, class_map, classes):
    flat, means = ab.reshape(2, -1), torch.zeros(classes, 2)
    for c in range(classes):
        here = class_map.flatten() == c
        if here.any():
            means[c] = flat[:, here].mean(dim=1)
    return means


# %% mean_color_of_classes, wrong: the mean of the photos' means
def mean_color_of_classes(ab, class_map, classes):
    means = torch.zeros(classes, 2)
    for c in range(classes):
        found = [photo[:, m == c].mean(dim=1) for photo, m in zip(ab, class_map) if (m == c).any()]
        if found:
            means[c] = torch.stack(found).mean(dim=0)
    return means


# %% mean_color_of_classes, wrong: leaves classes without pixels out
def mean_color_of_classes(ab, class_map, classes):
    colors = ab.movedim(1, -1)
    return torch.stack([colors[class_map == c].mean(dim=0) for c in class_map.unique()])


# %% mean_color_of_classes, right: one-hot maps and einsum
def mean_color_of_classes(ab, class_map, classes):
    hot = torch.nn.functional.one_hot(class_map, classes).double()
    sums = torch.einsum("nhwk,nchw->kc", hot, ab.double())
    return sums / hot.sum(dim=(0, 1, 2)).clamp(min=1)[:, None]


# %% mean_color_of_classes, right: pixel by pixel
def mean_color_of_classes(ab, class_map, classes):
    sums = [[0.0, 0.0] for _ in range(classes)]
    counts = [0] * classes
    n, height, width = class_map.shape
    for i in range(n):
        for y in range(height):
            for x in range(width):
                c = class_map[i, y, x].item()
                counts[c] += 1
                sums[c][0] += ab[i, 0, y, x].item()
                sums[c][1] += ab[i, 1, y, x].item()
    return np.array([[a / max(m, 1), b / max(m, 1)] for (a, b), m in zip(sums, counts)])


# %% claims_about_class_maps, wrong: one too many
def claims_about_class_maps():
    return "BCDE"


# %% claims_about_class_maps, wrong: one missing
def claims_about_class_maps():
    return "BD"


# %% claims_about_class_maps, wrong: the false ones
def claims_about_class_maps():
    return "ACF"


# %% claims_about_class_maps, right: put together
def claims_about_class_maps():
    return "".join(sorted({"E", "B", "D"}))
