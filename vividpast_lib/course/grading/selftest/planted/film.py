"""Planted solutions of lesson 08; `planting` says how they are read."""


# %% warp_colors, wrong: the other way
def warp_colors(colors, flow):
    height, width = colors.shape[-2:]
    x = (torch.arange(width) - flow[:, 0]).clamp(0, width - 1)
    y = (torch.arange(height)[:, None] - flow[:, 1]).clamp(0, height - 1)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    return F.grid_sample(colors, grid, align_corners=True)


# %% warp_colors, wrong: y first
def warp_colors(colors, flow):
    height, width = colors.shape[-2:]
    x = (torch.arange(width) + flow[:, 1]).clamp(0, width - 1)
    y = (torch.arange(height)[:, None] + flow[:, 0]).clamp(0, height - 1)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    return F.grid_sample(colors, grid, align_corners=True)


# %% warp_colors, wrong: corners of pixels taken for their middles
def warp_colors(colors, flow):
    height, width = colors.shape[-2:]
    x = torch.arange(width) + flow[:, 0]
    y = torch.arange(height)[:, None] + flow[:, 1]
    grid = torch.stack([2 * x / width - 1, 2 * y / height - 1], dim=-1)
    return F.grid_sample(colors, grid, padding_mode="border", align_corners=False)


# %% warp_colors, wrong: black beyond the frame
def warp_colors(colors, flow):
    height, width = colors.shape[-2:]
    x = torch.arange(width) + flow[:, 0]
    y = torch.arange(height)[:, None] + flow[:, 1]
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    return F.grid_sample(colors, grid, align_corners=True)


# %% warp_colors, wrong: the nearest pixel
def warp_colors(colors, flow):
    height, width = colors.shape[-2:]
    x = (torch.arange(width) + flow[:, 0]).round().long().clamp(0, width - 1)
    y = (torch.arange(height)[:, None] + flow[:, 1]).round().long().clamp(0, height - 1)
    return torch.stack([each[:, v, u] for each, v, u in zip(colors, y, x)])


# %% warp_colors, wrong: the flow is changed
def warp_colors(colors, flow):
    height, width = colors.shape[-2:]
    flow[:, 0] += torch.arange(width)
    flow[:, 1] += torch.arange(height)[:, None]
    grid = torch.stack(
        [(2 * flow[:, 0] + 1) / width - 1, (2 * flow[:, 1] + 1) / height - 1], dim=-1
    )
    return F.grid_sample(colors, grid, padding_mode="border", align_corners=False)


# %% warp_colors, wrong: the flow of the first frame for all
def warp_colors(colors, flow):
    height, width = colors.shape[-2:]
    x = torch.arange(width) + flow[:1, 0]
    y = torch.arange(height)[:, None] + flow[:1, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    grid = grid.expand(len(colors), -1, -1, -1)
    return F.grid_sample(colors, grid, padding_mode="border", align_corners=False)


# %% warp_colors, right: four pixels and their weights
def warp_colors(colors, flow):
    n, _, height, width = colors.shape
    x = (torch.arange(width) + flow[:, 0]).clamp(0, width - 1)
    y = (torch.arange(height)[:, None] + flow[:, 1]).clamp(0, height - 1)
    left, top = x.floor().long(), y.floor().long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    u, v = (x - left)[:, None], (y - top)[:, None]
    photo = torch.arange(n)[:, None, None]

    def at(rows, columns):
        return colors[photo, :, rows, columns].movedim(-1, 1)

    upper = (1 - u) * at(top, left) + u * at(top, right)
    lower = (1 - u) * at(bottom, left) + u * at(bottom, right)
    return (1 - v) * upper + v * lower


# %% warp_colors, right: loops, in NumPy
def warp_colors(colors, flow):
    maps, moves = colors.numpy().astype(float), flow.numpy()
    n, _, height, width = maps.shape
    result = np.zeros_like(maps)
    for i, r, c in np.ndindex(n, height, width):
        x = min(max(c + moves[i, 0, r, c], 0), width - 1)
        y = min(max(r + moves[i, 1, r, c], 0), height - 1)
        for row in range(height):
            for column in range(width):
                weight = max(0, 1 - abs(x - column)) * max(0, 1 - abs(y - row))
                result[i, :, r, c] += weight * maps[i, :, row, column]
    return result


# %% warp_colors, right: grid_sample with its other convention
def warp_colors(colors, flow):
    height, width = colors.shape[-2:]
    x = torch.arange(width) + 0.5 + flow[:, 0]
    y = torch.arange(height)[:, None] + 0.5 + flow[:, 1]
    grid = torch.stack([x / width, y / height], dim=-1) * 2 - 1
    return F.grid_sample(colors, grid, padding_mode="border", align_corners=False)


# %% mean_flicker, wrong: seen is ignored
def mean_flicker(ab, warped_ab, seen):
    return (ab - warped_ab).abs().mean()


# %% mean_flicker, wrong: all pixels count the same
def mean_flicker(ab, warped_ab, seen):
    change = (ab - warped_ab).abs().mean(dim=1, keepdim=True)
    return change[seen].mean() if seen.any() else 0.0


# %% mean_flicker, wrong: divided by all pixels
def mean_flicker(ab, warped_ab, seen):
    return ((ab - warped_ab).abs() * seen).mean()


# %% mean_flicker, wrong: the sum of a and b
def mean_flicker(ab, warped_ab, seen):
    change = (ab - warped_ab).abs().sum(dim=1, keepdim=True)
    frames = [each[trusted].mean() for each, trusted in zip(change, seen) if trusted.any()]
    return sum(frames) / len(frames) if frames else 0.0


# %% mean_flicker, wrong: nan where nothing is seen
def mean_flicker(ab, warped_ab, seen):
    change = (ab - warped_ab).abs().mean(dim=1, keepdim=True)
    return torch.stack([each[trusted].mean() for each, trusted in zip(change, seen)]).mean()


# %% mean_flicker, wrong: frames where nothing is seen count as 0
def mean_flicker(ab, warped_ab, seen):
    change = (ab - warped_ab).abs().mean(dim=1, keepdim=True) * seen
    return (change.sum(dim=(1, 2, 3)) / seen.sum(dim=(1, 2, 3)).clamp(min=1)).mean()


# %% mean_flicker, right: sums, in NumPy
def mean_flicker(ab, warped_ab, seen):
    trusted = seen.numpy().astype(float)
    change = np.abs(ab.numpy() - warped_ab.numpy()) * trusted
    pixels = trusted.sum(axis=(1, 2, 3))
    known = pixels > 0
    if not known.any():
        return 0
    return (change.sum(axis=(1, 2, 3))[known] / (2 * pixels[known])).mean()


# %% mean_flicker, right: a loop
def mean_flicker(ab, warped_ab, seen):
    total, count = 0.0, 0
    for now, before, trusted in zip(ab, warped_ab, seen):
        both = trusted.expand_as(now)
        if both.any():
            total += float((now[both] - before[both]).abs().mean())
            count += 1
    return total / max(count, 1)


# %% film_cdc, wrong: base 2
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(2).long(), 256).double().mean(dim=2)
    means = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        both = torch.xlogy(p, p / m) + torch.xlogy(q, q / m)
        means.append(both.sum(dim=-1).mean() / 2 / np.log(2))
    return sum(means) / 3


# %% film_cdc, wrong: all pairs count the same
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(2).long(), 256).double().mean(dim=2)
    found = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        found.append(((torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum(dim=-1) / 2).flatten())
    return torch.cat(found).mean()


# %% film_cdc, wrong: distances 1, 2 and 3
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(2).long(), 256).double().mean(dim=2)
    means = []
    for d in (1, 2, 3):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        means.append((torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum(dim=-1).mean() / 2)
    return sum(means) / 3


# %% film_cdc, wrong: counts instead of shares
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(2).long(), 256).double().sum(dim=2)
    means = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        means.append((torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum(dim=-1).mean() / 2)
    return sum(means) / 3


# %% film_cdc, wrong: the channels in one histogram
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(1).long(), 256).double().mean(dim=1)
    means = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        means.append((torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum(dim=-1).mean() / 2)
    return sum(means) / 3


# %% film_cdc, wrong: 128 values
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(2).long(), 256).double().mean(dim=2)
    shares = shares.unflatten(-1, (128, 2)).sum(dim=-1)
    means = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        means.append((torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum(dim=-1).mean() / 2)
    return sum(means) / 3


# %% film_cdc, wrong: without the value 255
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(2).long(), 256).double().mean(dim=2)
    shares = shares[..., :255]
    means = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        means.append((torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum(dim=-1).mean() / 2)
    return sum(means) / 3


# %% film_cdc, wrong: without the value 0
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(2).long(), 256).double().mean(dim=2)
    shares = shares[..., 1:]
    means = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        means.append((torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum(dim=-1).mean() / 2)
    return sum(means) / 3


# %% film_cdc, wrong: histograms from the least to the largest value
def film_cdc(frames):
    counts = [[np.histogram(c, 256)[0] / c.size for c in frame] for frame in frames.numpy()]
    shares = torch.tensor(np.array(counts))
    means = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        means.append((torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum(dim=-1).mean() / 2)
    return sum(means) / 3


# %% film_cdc, wrong: Kullback-Leibler to one side
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(2).long(), 256).double().mean(dim=2)
    means = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = ((p + q) / 2).clamp(min=1e-12)
        means.append(torch.xlogy(p, p / m).sum(dim=-1).mean())
    return sum(means) / 3


# %% film_cdc, wrong: nan where a value does not occur
def film_cdc(frames):
    shares = F.one_hot(frames.flatten(2).long(), 256).double().mean(dim=2)
    means = []
    for d in (1, 2, 4):
        p, q = shares[d:], shares[:-d]
        m = (p + q) / 2
        means.append((p * (p / m).log() + q * (q / m).log()).sum(dim=-1).mean() / 2)
    return sum(means) / 3


# %% film_cdc, right: NumPy, from entropies
def _entropy(shares):
    known = shares[shares > 0]
    return -(known * np.log(known)).sum()


def film_cdc(frames):
    film = frames.numpy()
    pixels = film[0, 0].size
    shares = [[np.bincount(c.ravel(), minlength=256) / pixels for c in frame] for frame in film]
    means = []
    for d in (1, 2, 4):
        found = []
        for early, late in zip(shares, shares[d:]):
            for p, q in zip(early, late):
                found.append(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2)
        means.append(np.mean(found))
    return np.mean(means)


# %% film_cdc, right: float32, with torch.bincount
def film_cdc(frames):
    histograms = (
        torch.stack(
            [
                torch.stack([torch.bincount(c.flatten(), minlength=256) for c in frame])
                for frame in frames
            ]
        )
        / frames[0, 0].numel()
    )

    def divergence(p, m):
        return torch.where(p > 0, p * (p.clamp(min=1e-9) / m.clamp(min=1e-9)).log(), 0).sum(-1)

    total = 0
    for d in [1, 2, 4]:
        one, other = histograms[:-d], histograms[d:]
        middle = 0.5 * one + 0.5 * other
        total += (0.5 * divergence(one, middle) + 0.5 * divergence(other, middle)).mean()
    return total / 3


# %% claims_about_film, wrong: one too many
def claims_about_film():
    return "ACDE"


# %% claims_about_film, wrong: one missing
def claims_about_film():
    return "CD"


# %% claims_about_film, wrong: a list
def claims_about_film():
    return ["A", "C", "D"]


# %% claims_about_film, right: put together
def claims_about_film():
    return "".join(["A", "C", "D"])
