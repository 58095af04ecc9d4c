"""Planted solutions of lesson 06; `planting` says how they are read."""


# %% gap_at_best, wrong: no patience
def gap_at_best(train, val, patience):
    best = val.argmin()
    return best + 1, val[best] - train[best]


# %% gap_at_best, wrong: counts from 0
def gap_at_best(train, val, patience):
    best = 0
    for epoch in range(len(val)):
        if val[epoch] < val[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return best, val[best] - train[best]


# %% gap_at_best, wrong: training minus validation
def gap_at_best(train, val, patience):
    best = 0
    for epoch in range(len(val)):
        if val[epoch] < val[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return best + 1, train[best] - val[best]


# %% gap_at_best, wrong: the last of several equal ones
def gap_at_best(train, val, patience):
    best = 0
    for epoch in range(len(val)):
        if val[epoch] <= val[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return best + 1, val[best] - train[best]


# %% gap_at_best, wrong: one epoch too patient
def gap_at_best(train, val, patience):
    best = 0
    for epoch in range(len(val)):
        if val[epoch] < val[best]:
            best = epoch
        if epoch - best > patience:
            break
    return best + 1, val[best] - train[best]


# %% gap_at_best, wrong: stops before it looks whether the epoch is better
def gap_at_best(train, val, patience):
    best = 0
    for epoch in range(len(val)):
        if epoch - best >= patience:
            break
        if val[epoch] < val[best]:
            best = epoch
    return best + 1, val[best] - train[best]


# %% gap_at_best, wrong: keeps the epoch at which it stops
def gap_at_best(train, val, patience):
    best = 0
    for epoch in range(len(val)):
        if val[epoch] < val[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return epoch + 1, val[epoch] - train[epoch]


# %% gap_at_best, wrong: counts epochs that got worse than the one before
def gap_at_best(train, val, patience):
    best = worse = 0
    for epoch in range(1, len(val)):
        worse = worse + 1 if val[epoch] > val[epoch - 1] else 0
        if val[epoch] < val[best]:
            best = epoch
        if worse == patience:
            break
    return best + 1, val[best] - train[best]


# %% gap_at_best, wrong: the best in training
def gap_at_best(train, val, patience):
    best = 0
    for epoch in range(len(val)):
        if train[epoch] < train[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return best + 1, val[best] - train[best]


# %% gap_at_best, right: counts the epochs without a better one
def gap_at_best(train, val, patience):
    lowest, kept, waited = float("inf"), None, 0
    for number, (seen, unseen) in enumerate(zip(train.tolist(), val.tolist()), start=1):
        if unseen < lowest:
            lowest, kept, waited = unseen, (number, unseen - seen), 0
        else:
            waited += 1
        if waited == patience:
            return kept
    return kept


# %% gap_at_best, right: cuts the curve off
def gap_at_best(train, val, patience):
    for end in range(1, len(val) + 1):
        best = np.argmin(val[:end])
        if end - 1 - best == patience:
            break
    return np.array([best + 1, val[best] - train[best]])[0], (val - train)[best]


# %% gap_at_best, right: PyTorch
def gap_at_best(train, val, patience):
    val = torch.from_numpy(val)
    best = 0
    while True:
        coming = val[best + 1 : best + 1 + patience] < val[best]
        if not coming.any():
            return best + 1, val[best] - torch.from_numpy(train)[best]
        best += 1 + coming.int().argmax().item()


# %% control_maps, wrong: the other way round
def control_maps(maps, others):
    shuffled = torch.empty_like(maps)
    shuffled[others] = maps
    return shuffled, maps.mean(dim=(0, 2, 3), keepdim=True).expand_as(maps)


# %% control_maps, wrong: the next photo, whatever is asked
def control_maps(maps, others):
    return maps.roll(1, dims=0), maps.mean(dim=(0, 2, 3), keepdim=True).expand_as(maps)


# %% control_maps, wrong: one mean for all classes
def control_maps(maps, others):
    return maps[others], torch.full_like(maps, maps.mean().item())


# %% control_maps, wrong: the mean map
def control_maps(maps, others):
    return maps[others], maps.mean(dim=0, keepdim=True).expand_as(maps)


# %% control_maps, wrong: each photo's own mean
def control_maps(maps, others):
    return maps[others], maps.mean(dim=(2, 3), keepdim=True).expand_as(maps)


# %% control_maps, wrong: the constant without places
def control_maps(maps, others):
    return maps[others], maps.mean(dim=(0, 2, 3))


# %% control_maps, wrong: changes its input
def control_maps(maps, others):
    shuffled = maps[others]
    maps[:] = maps.mean(dim=(0, 2, 3), keepdim=True)
    return shuffled, maps


# %% control_maps, right: NumPy
def control_maps(maps, others):
    maps = maps.double().numpy()
    constant = np.zeros_like(maps)
    for c in range(maps.shape[1]):
        constant[:, c] = np.mean(maps[:, c])
    return np.take(maps, others.numpy(), axis=0), constant


# %% control_maps, right: photo by photo, and the mean of the means
def control_maps(maps, others):
    shuffled = torch.stack([maps[other] for other in others.tolist()])
    means = maps.mean(dim=3).mean(dim=2).mean(dim=0)
    return [shuffled, means.view(1, -1, 1, 1).repeat(len(maps), 1, *maps.shape[2:])]


# %% gated_fusion, wrong: deep features first
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    joined = torch.cat([semantics, features], dim=1)
    gate = torch.nn.functional.conv2d(joined, gate_weight, gate_bias).sigmoid()
    return features + gate * torch.nn.functional.conv2d(semantics, add_weight)


# %% gated_fusion, wrong: no sigmoid
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    joined = torch.cat([features, semantics], dim=1)
    gate = torch.nn.functional.conv2d(joined, gate_weight, gate_bias)
    return features + gate * torch.nn.functional.conv2d(semantics, add_weight)


# %% gated_fusion, wrong: no biases
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    joined = torch.cat([features, semantics], dim=1)
    gate = torch.nn.functional.conv2d(joined, gate_weight).sigmoid()
    return features + gate * torch.nn.functional.conv2d(semantics, add_weight)


# %% gated_fusion, wrong: the gate weighs the features, too
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    joined = torch.cat([features, semantics], dim=1)
    gate = torch.nn.functional.conv2d(joined, gate_weight, gate_bias).sigmoid()
    return gate * (features + torch.nn.functional.conv2d(semantics, add_weight))


# %% gated_fusion, wrong: without the features
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    joined = torch.cat([features, semantics], dim=1)
    gate = torch.nn.functional.conv2d(joined, gate_weight, gate_bias).sigmoid()
    return gate * torch.nn.functional.conv2d(semantics, add_weight)


# %% gated_fusion, wrong: softmax over the channels
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    joined = torch.cat([features, semantics], dim=1)
    gate = torch.nn.functional.conv2d(joined, gate_weight, gate_bias).softmax(dim=1)
    return features + gate * torch.nn.functional.conv2d(semantics, add_weight)


# %% gated_fusion, wrong: the gate of the mean place
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    joined = torch.cat([features, semantics], dim=1).mean(dim=(2, 3), keepdim=True)
    gate = torch.nn.functional.conv2d(joined, gate_weight, gate_bias).sigmoid()
    return features + gate * torch.nn.functional.conv2d(semantics, add_weight)


# %% gated_fusion, wrong: changes its input
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    joined = torch.cat([features, semantics], dim=1)
    gate = torch.nn.functional.conv2d(joined, gate_weight, gate_bias).sigmoid()
    features += gate * torch.nn.functional.conv2d(semantics, add_weight)
    return features


# %% gated_fusion, right: einsum and the formula
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    c = features.shape[1]
    weights = gate_weight.double()[:, :, 0, 0]
    level = torch.einsum("oc,nchw->nohw", weights[:, :c], features.double())
    level = level + torch.einsum("od,ndhw->nohw", weights[:, c:], semantics.double())
    gate = 1 / (1 + torch.exp(-(level + gate_bias.view(1, -1, 1, 1))))
    added = torch.einsum("od,ndhw->nohw", add_weight.double()[:, :, 0, 0], semantics.double())
    return features + gate * added


# %% gated_fusion, right: NumPy, place by place
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    features, semantics = features.numpy(), semantics.numpy()
    gates, adds = gate_weight.numpy()[:, :, 0, 0], add_weight.numpy()[:, :, 0, 0]
    result = features.copy()
    for i in range(features.shape[0]):
        for y in range(features.shape[2]):
            for x in range(features.shape[3]):
                deep = semantics[i, :, y, x]
                level = gates @ np.concatenate([features[i, :, y, x], deep]) + gate_bias.numpy()
                result[i, :, y, x] += (adds @ deep) / (1 + np.exp(-level))
    return result


# %% gated_fusion, right: layers of PyTorch
def gated_fusion(features, semantics, gate_weight, gate_bias, add_weight):
    c, d = features.shape[1], semantics.shape[1]
    gate = torch.nn.Sequential(torch.nn.Conv2d(c + d, c, 1), torch.nn.Sigmoid())
    add = torch.nn.Conv2d(d, c, 1, bias=False)
    gate[0].weight.data, gate[0].bias.data, add.weight.data = gate_weight, gate_bias, add_weight
    return features + gate(torch.cat((features, semantics), 1)) * add(semantics)
