"""Planted solutions of lesson 07; `planting` says how they are read."""


# %% nearest_bins, wrong: the farthest bin
def nearest_bins(ab, centers):
    away = ab[:, None] - centers[:, :, None, None]
    return away.square().sum(dim=2).argmax(dim=1)


# %% nearest_bins, wrong: numbers from 1
def nearest_bins(ab, centers):
    away = ab[:, None] - centers[:, :, None, None]
    return away.square().sum(dim=2).argmin(dim=1) + 1


# %% nearest_bins, wrong: a and b exchanged
def nearest_bins(ab, centers):
    away = ab.flip(1)[:, None] - centers[:, :, None, None]
    return away.square().sum(dim=2).argmin(dim=1)


# %% nearest_bins, wrong: a reshape mixes a and b up
def nearest_bins(ab, centers):
    n, _, height, width = ab.shape
    return torch.cdist(ab.reshape(-1, 2), centers).argmin(dim=1).view(n, height, width)


# %% nearest_bins, wrong: the difference without its sign is forgotten
def nearest_bins(ab, centers):
    away = ab[:, None] - centers[:, :, None, None]
    return away.sum(dim=2).argmin(dim=1)


# %% nearest_bins, wrong: the sum of both differences
def nearest_bins(ab, centers):
    away = ab[:, None] - centers[:, :, None, None]
    return away.abs().sum(dim=2).argmin(dim=1)


# %% nearest_bins, wrong: the larger of both differences
def nearest_bins(ab, centers):
    away = ab[:, None] - centers[:, :, None, None]
    return away.abs().amax(dim=2).argmin(dim=1)


# %% nearest_bins, wrong: works only for one photo
def nearest_bins(ab, centers):
    return torch.cdist(ab[0].flatten(1).T, centers).argmin(dim=1).view(1, *ab.shape[2:])


# %% nearest_bins, right: cdist
def nearest_bins(ab, centers):
    return torch.cdist(ab.permute(0, 2, 3, 1), centers[None, None]).argmin(dim=-1)


# %% nearest_bins, right: loops
def nearest_bins(ab, centers):
    n, _, height, width = ab.shape
    found = torch.zeros(n, height, width)
    for i in range(n):
        for y in range(height):
            for x in range(width):
                a, b = ab[i, :, y, x].tolist()
                away = [(a - c) ** 2 + (b - d) ** 2 for c, d in centers.tolist()]
                found[i, y, x] = away.index(min(away))
    return found


# %% soft_bins, wrong: not normalised
def soft_bins(ab, centers):
    squared = (ab[:, None] - centers[:, :, None, None]).square().sum(dim=2)
    near, numbers = squared.topk(5, dim=1, largest=False)
    return torch.zeros_like(squared).scatter(1, numbers, (-near / 50).exp())


# %% soft_bins, wrong: all bins have a share
def soft_bins(ab, centers):
    squared = (ab[:, None] - centers[:, :, None, None]).square().sum(dim=2)
    return (-squared / 50).softmax(dim=1)


# %% soft_bins, wrong: four bins
def soft_bins(ab, centers):
    squared = (ab[:, None] - centers[:, :, None, None]).square().sum(dim=2)
    near, numbers = squared.topk(4, dim=1, largest=False)
    return torch.zeros_like(squared).scatter(1, numbers, (-near / 50).softmax(dim=1))


# %% soft_bins, wrong: the nearest by the sum of both differences
def soft_bins(ab, centers):
    away = ab[:, None] - centers[:, :, None, None]
    squared = away.square().sum(dim=2)
    numbers = away.abs().sum(dim=2).topk(5, dim=1, largest=False).indices
    weights = (-squared.gather(1, numbers) / 50).softmax(dim=1)
    return torch.zeros_like(squared).scatter(1, numbers, weights)


# %% soft_bins, wrong: sigma not squared
def soft_bins(ab, centers):
    squared = (ab[:, None] - centers[:, :, None, None]).square().sum(dim=2)
    near, numbers = squared.topk(5, dim=1, largest=False)
    return torch.zeros_like(squared).scatter(1, numbers, (-near / 10).softmax(dim=1))


# %% soft_bins, wrong: the distance is not squared
def soft_bins(ab, centers):
    away = (ab[:, None] - centers[:, :, None, None]).square().sum(dim=2).sqrt()
    near, numbers = away.topk(5, dim=1, largest=False)
    return torch.zeros_like(away).scatter(1, numbers, (-near / 50).softmax(dim=1))


# %% soft_bins, wrong: one-hot
def soft_bins(ab, centers):
    squared = (ab[:, None] - centers[:, :, None, None]).square().sum(dim=2)
    return (squared == squared.amin(dim=1, keepdim=True)).float()


# %% soft_bins, right: loops over colours
def soft_bins(ab, centers):
    n, _, height, width = ab.shape
    shares = torch.zeros(n, len(centers), height, width, dtype=torch.float64)
    for i in range(n):
        for y in range(height):
            for x in range(width):
                squared = ((ab[i, :, y, x] - centers) ** 2).sum(dim=1).double()
                order = squared.argsort()[:5]
                weights = torch.exp((squared.min() - squared[order]) / 50)
                shares[i, order, y, x] = weights / weights.sum()
    return shares


# %% soft_bins, right: the others masked out
def soft_bins(ab, centers):
    squared = torch.cdist(ab.movedim(1, -1), centers[None, None]).square()
    limit = squared.kthvalue(5, dim=-1, keepdim=True).values
    logits = torch.where(squared > limit, -torch.inf, -squared / 50)
    return logits.softmax(dim=-1).movedim(-1, 1)


# %% annealed_color, wrong: no temperature
def annealed_color(logits, centers, temperature):
    return torch.einsum("nqhw,qc->nchw", logits.softmax(dim=1), centers)


# %% annealed_color, wrong: multiplied
def annealed_color(logits, centers, temperature):
    return torch.einsum("nqhw,qc->nchw", (logits * temperature).softmax(dim=1), centers)


# %% annealed_color, wrong: overflows
def annealed_color(logits, centers, temperature):
    powers = (logits / temperature).exp()
    return torch.einsum("nqhw,qc->nchw", powers / powers.sum(dim=1, keepdim=True), centers)


# %% annealed_color, wrong: powers of shares vanish
def annealed_color(logits, centers, temperature):
    powers = logits.softmax(dim=1) ** (1 / temperature)
    return torch.einsum("nqhw,qc->nchw", powers / powers.sum(dim=1, keepdim=True), centers)


# %% annealed_color, wrong: softmax over the width
def annealed_color(logits, centers, temperature):
    return torch.einsum("nqhw,qc->nchw", (logits / temperature).softmax(dim=-1), centers)


# %% annealed_color, wrong: the mode
def annealed_color(logits, centers, temperature):
    return centers[logits.argmax(dim=1)].movedim(-1, 1)


# %% annealed_color, wrong: the logits are changed
def annealed_color(logits, centers, temperature):
    logits /= temperature
    return torch.einsum("nqhw,qc->nchw", logits.softmax(dim=1), centers)


# %% annealed_color, right: shifted powers, in NumPy
import numpy


def annealed_color(logits, centers, temperature):
    scaled = logits.numpy().astype(float) / temperature
    powers = numpy.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return numpy.tensordot(shares, centers.numpy(), axes=(1, 0)).transpose(0, 3, 1, 2)


# %% annealed_color, right: a 1 x 1 convolution
def annealed_color(logits, centers, temperature):
    shares = torch.softmax(logits / temperature, dim=1)
    return torch.nn.functional.conv2d(shares, centers.T[:, :, None, None])


# %% bin_weights, wrong: not scaled
def bin_weights(shares, mix):
    return 1 / ((1 - mix) * shares + mix / len(shares))


# %% bin_weights, wrong: a mean of 1 over bins
def bin_weights(shares, mix):
    weights = 1 / ((1 - mix) * shares + mix / len(shares))
    return weights / weights.mean()


# %% bin_weights, wrong: a sum of 1
def bin_weights(shares, mix):
    weights = 1 / ((1 - mix) * shares + mix / len(shares))
    return weights / weights.sum()


# %% bin_weights, wrong: lambda the other way round
def bin_weights(shares, mix):
    weights = 1 / (mix * shares + (1 - mix) / len(shares))
    return weights / (weights * shares).sum()


# %% bin_weights, wrong: divided by the shares
def bin_weights(shares, mix):
    weights = (1 - mix) / shares + mix * len(shares)
    return weights / (weights * shares).sum()


# %% bin_weights, right: a loop
def bin_weights(shares, mix):
    values = shares.tolist()
    weights = [1 / ((1 - mix) * each + mix / len(values)) for each in values]
    mean = sum(weight * each for weight, each in zip(weights, values))
    return [weight / mean for weight in weights]


# %% bin_weights, right: powers and a scalar product, float64
def bin_weights(shares, mix):
    shares = shares.double()
    weights = torch.lerp(shares, torch.full_like(shares, 1 / shares.numel()), mix) ** -1
    return weights / (weights @ shares)


# %% claims_about_colors, wrong: one too many
def claims_about_colors():
    return "BCDE"


# %% claims_about_colors, wrong: one missing
def claims_about_colors():
    return "BE"


# %% claims_about_colors, wrong: all the others
def claims_about_colors():
    return "ADF"


# %% claims_about_colors, right: put together
def claims_about_colors():
    return "B" + "C" + "E"
