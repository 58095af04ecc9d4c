"""Planted solutions of lesson 02; `planting` says how they are read."""


# %% to_tensor, wrong: reshaped instead of permuted
def to_tensor(picture):
    if picture.ndim == 2:
        picture = np.stack([picture] * 3, axis=-1)
    height, width, _ = picture.shape
    return torch.from_numpy(picture).reshape(3, height, width) / 255


# %% to_tensor, wrong: divides by 256
def to_tensor(picture):
    if picture.ndim == 2:
        picture = np.stack([picture] * 3, axis=-1)
    return torch.from_numpy(picture).permute(2, 0, 1) / 256


# %% to_tensor, wrong: still bytes
def to_tensor(picture):
    if picture.ndim == 2:
        picture = np.stack([picture] * 3, axis=-1)
    return torch.from_numpy(picture).permute(2, 0, 1).float()


# %% to_tensor, wrong: height and width exchanged
def to_tensor(picture):
    if picture.ndim == 2:
        picture = np.stack([picture] * 3, axis=-1)
    return torch.from_numpy(picture.T.copy()) / 255


# %% to_tensor, wrong: grey has one channel
def to_tensor(picture):
    if picture.ndim == 2:
        return torch.from_numpy(picture)[None] / 255
    return torch.from_numpy(picture).permute(2, 0, 1) / 255


# %% to_tensor, wrong: takes a grey picture of three columns for one in colour
def to_tensor(picture):
    if picture.shape[-1] != 3:
        picture = np.stack([picture] * 3, axis=-1)
    return torch.from_numpy(picture).movedim(-1, 0) / 255


# %% to_tensor, right: NumPy
def to_tensor(picture):
    values = picture.astype(np.float32) / 255
    if values.ndim == 2:
        return np.broadcast_to(values, (3, *values.shape))
    return np.moveaxis(values, 2, 0)


# %% to_tensor, right: pixel by pixel, in float64
def to_tensor(picture):
    height, width = picture.shape[:2]
    result = torch.zeros(3, height, width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                value = picture[y, x] if picture.ndim == 2 else picture[y, x, channel]
                result[channel, y, x] = int(value) / 255
    return result


# %% middle_square, wrong: the odd row is cut at the top
def middle_square(photo):
    _, height, width = photo.shape
    side = min(height, width)
    top, left = -(-(height - side) // 2), -(-(width - side) // 2)
    return photo[:, top : top + side, left : left + side]


# %% middle_square, wrong: the upper left corner
def middle_square(photo):
    side = min(photo.shape[1:])
    return photo[:, :side, :side]


# %% middle_square, wrong: only for wide photos
def middle_square(photo):
    _, height, width = photo.shape
    left = (width - height) // 2
    return photo[:, :, left : left + height]


# %% middle_square, wrong: cuts as much on both sides
def middle_square(photo):
    _, height, width = photo.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[:, top : height - top, left : width - left]


# %% middle_square, wrong: squeezed instead of cut
def middle_square(photo):
    side = min(photo.shape[1:])
    return torch.nn.functional.interpolate(photo[None], (side, side), mode="area")[0]


# %% middle_square, wrong: one side first makes an empty slice of a square photo
def middle_square(photo):
    _, height, width = photo.shape
    if height > width:
        rest = height - width
        return photo[:, rest // 2 : -(rest - rest // 2)]
    rest = width - height
    return photo[:, :, rest // 2 : -(rest - rest // 2)]


# %% middle_square, right: takes rows and columns away one by one
def middle_square(photo):
    while photo.shape[1] != photo.shape[2]:
        dim = 1 if photo.shape[1] > photo.shape[2] else 2
        rest = photo.shape[dim] - photo.shape[3 - dim]
        # Below first, so that an odd one goes there.
        photo = photo.narrow(dim, 1 - rest % 2, photo.shape[dim] - 1)
    return photo


# %% middle_square, right: NumPy and lists of places
def middle_square(photo):
    values = photo.numpy()
    side = min(values.shape[1:])
    rows = [(values.shape[1] - side) // 2 + i for i in range(side)]
    columns = [(values.shape[2] - side) // 2 + i for i in range(side)]
    return values[:, rows][:, :, columns]


# %% mean_color_of_photos, wrong: each pixel counts the same
def mean_color_of_photos(ab, inside):
    return ab.movedim(1, -1)[inside].mean(dim=0)


# %% mean_color_of_photos, wrong: the padding counts
def mean_color_of_photos(ab, inside):
    return ab.mean(dim=(2, 3)).mean(dim=0)


# %% mean_color_of_photos, wrong: the padding counts as grey
def mean_color_of_photos(ab, inside):
    return (ab * inside[:, None]).mean(dim=(0, 2, 3))


# %% mean_color_of_photos, wrong: one colour a photo
def mean_color_of_photos(ab, inside):
    inside = inside[:, None]
    return (ab * inside).sum(dim=(2, 3)) / inside.sum(dim=(2, 3))


# %% mean_color_of_photos, wrong: the sum over photos
def mean_color_of_photos(ab, inside):
    inside = inside[:, None]
    return ((ab * inside).sum(dim=(2, 3)) / inside.sum(dim=(2, 3))).sum(dim=0)


# %% mean_color_of_photos, wrong: sets the padding of its input to 0
def mean_color_of_photos(ab, inside):
    ab[~inside[:, None].expand_as(ab)] = 0
    pixels = inside.sum(dim=(1, 2))[:, None]
    return (ab.sum(dim=(2, 3)) / pixels).mean(dim=0)


# %% mean_color_of_photos, wrong: takes what is 0 for padding
def mean_color_of_photos(ab, inside):
    pixels = (ab != 0).sum(dim=(2, 3))
    return (ab.sum(dim=(2, 3)) / pixels).mean(dim=0)


# %% mean_color_of_photos, right: photo by photo
def mean_color_of_photos(ab, inside):
    means = [photo[:, pixels].mean(dim=1) for photo, pixels in zip(ab, inside)]
    return torch.stack(means).mean(dim=0)


# %% mean_color_of_photos, right: NumPy, with nan in the padding
def mean_color_of_photos(ab, inside):
    values = np.where(inside.numpy()[:, None], ab.numpy(), np.nan)
    return np.nanmean(values, axis=(2, 3)).mean(axis=0)


# %% mean_color_of_photos, right: weights of pixels, pixel by pixel
def mean_color_of_photos(ab, inside):
    n, _, height, width = ab.shape
    total = [0.0, 0.0]
    for i in range(n):
        weight = 1 / (n * int(inside[i].sum()))
        for y in range(height):
            for x in range(width):
                if inside[i, y, x]:
                    total[0] += weight * ab[i, 0, y, x].item()
                    total[1] += weight * ab[i, 1, y, x].item()
    return total


# %% mean_psnr, wrong: one error for all photos
def mean_psnr(predicted, true):
    squared = (predicted - true).square().mean().clamp(min=1e-10)
    return -10 * squared.log10()


# %% mean_psnr, wrong: one PSNR a channel
def mean_psnr(predicted, true):
    squared = (predicted - true).square().mean(dim=(2, 3)).clamp(min=1e-10)
    return (-10 * squared.log10()).mean()


# %% mean_psnr, wrong: the natural logarithm
def mean_psnr(predicted, true):
    squared = (predicted - true).square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return (-10 * squared.log()).mean()


# %% mean_psnr, wrong: of the root
def mean_psnr(predicted, true):
    squared = (predicted - true).square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return (-10 * squared.sqrt().log10()).mean()


# %% mean_psnr, wrong: a peak of 255
def mean_psnr(predicted, true):
    squared = (predicted - true).square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return (10 * (255**2 / squared).log10()).mean()


# %% mean_psnr, wrong: infinite without an error
def mean_psnr(predicted, true):
    squared = (predicted - true).square().mean(dim=(1, 2, 3))
    return (-10 * squared.log10()).mean()


# %% mean_psnr, wrong: only the first photo
def mean_psnr(predicted, true):
    squared = (predicted[0] - true[0]).square().mean().clamp(min=1e-10)
    return -10 * squared.log10()


# %% mean_psnr, right: NumPy, with 20 logarithms of the root
def mean_psnr(predicted, true):
    squared = ((predicted.numpy() - true.numpy()) ** 2).mean(axis=(1, 2, 3))
    return (20 * np.log10(1 / np.sqrt(np.maximum(squared, 1e-10)))).mean()


# %% mean_psnr, right: photo by photo
import math


def mean_psnr(predicted, true):
    total = 0
    for one, other in zip(predicted.double(), true.double()):
        squared = torch.nn.functional.mse_loss(one, other).item()
        total += 100 if squared < 1e-10 else -10 * math.log(squared) / math.log(10)
    return total / len(true)


# %% claims_about_scores, wrong: one too many
def claims_about_scores():
    return "BCDF"


# %% claims_about_scores, wrong: one missing
def claims_about_scores():
    return "BF"


# %% claims_about_scores, wrong: a list of numbers
def claims_about_scores():
    return [2, 3, 6]


# %% claims_about_scores, wrong: the false ones
def claims_about_scores():
    return "ADE"


# %% claims_about_scores, right: put together
def claims_about_scores():
    return "".join(letter for letter in "ABCDEF" if letter not in "ADE")
