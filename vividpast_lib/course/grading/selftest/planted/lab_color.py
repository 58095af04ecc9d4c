"""Planted solutions of lesson 01; `planting` says how they are read."""


# %% srgb_from_light, wrong: no straight part near black
def srgb_from_light(light):
    return 1.055 * light ** (1 / 2.4) - 0.055


# %% srgb_from_light, wrong: the way forth instead of back
def srgb_from_light(light):
    return np.where(light > 0.04045, ((light + 0.055) / 1.055) ** 2.4, light / 12.92)


# %% srgb_from_light, wrong: changes its input
def srgb_from_light(light):
    dark = light <= 0.0031308
    light[dark] *= 12.92
    light[~dark] = 1.055 * light[~dark] ** (1 / 2.4) - 0.055
    return light


# %% srgb_from_light, wrong: hard-coded from the visible check
def srgb_from_light(light):
    return np.array([[0.0, 0.0258], [0.4845, 1.0]])


# %% srgb_from_light, right: a loop over every value
def srgb_from_light(light):
    bent = [12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055 for v in light.ravel()]
    return np.array(bent).reshape(light.shape)


# %% srgb_from_light, right: PyTorch, in float32
import torch as T


def srgb_from_light(light):
    light = T.from_numpy(light).float()
    return T.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)


# %% xyz_from_lab, wrong: a has the wrong sign
def xyz_from_lab(lab):
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy - lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    return np.where(f**3 > 0.008856, f**3, (f - 16 / 116) / 7.787) * WHITE


# %% xyz_from_lab, wrong: not multiplied by the white
def xyz_from_lab(lab):
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    return np.where(f**3 > 0.008856, f**3, (f - 16 / 116) / 7.787)


# %% xyz_from_lab, wrong: no straight part near black
def xyz_from_lab(lab):
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    return f**3 * WHITE


# %% xyz_from_lab, wrong: works only for pictures
def xyz_from_lab(lab):
    height, width, _ = lab.shape
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    return np.where(f**3 > 0.008856, f**3, (f - 16 / 116) / 7.787) * WHITE


# %% xyz_from_lab, right: colour by colour, with the slope written otherwise
def _unbend(value):
    return value**3 if value**3 > 0.008856 else (116 * value - 16) / (116 * 7.787)


def xyz_from_lab(lab):
    result = []
    for lightness, a, b in lab.reshape(-1, 3):
        y = (lightness + 16) / 116
        result.append([0.95047 * _unbend(y + a / 500), _unbend(y), 1.08883 * _unbend(y - b / 200)])
    return np.array(result).reshape(lab.shape)


# %% xyz_from_lab, right: float32
def xyz_from_lab(lab):
    lab = lab.astype(np.float32)
    fy = (lab[..., :1] + 16) / 116
    f = np.concatenate([fy + lab[..., 1:2] / 500, fy, fy - lab[..., 2:] / 200], axis=-1)
    cubes = f * f * f
    line = (f - np.float32(16 / 116)) / np.float32(7.787)
    return np.where(cubes > 0.008856, cubes, line) * WHITE.astype(np.float32)


# %% lab_planes, wrong: BGR
def lab_planes(picture):
    rgb = picture[..., ::-1] / 255
    return np.moveaxis(xyz_to_lab(linear_to_xyz(srgb_to_linear(rgb))), -1, 0)


# %% lab_planes, wrong: bytes are not brought to [0, 1]
def lab_planes(picture):
    return np.moveaxis(xyz_to_lab(linear_to_xyz(srgb_to_linear(picture))), -1, 0)


# %% lab_planes, wrong: height and width exchanged
def lab_planes(picture):
    return xyz_to_lab(linear_to_xyz(srgb_to_linear(picture / 255))).T


# %% lab_planes, wrong: divides by 256
def lab_planes(picture):
    lab = xyz_to_lab(linear_to_xyz(srgb_to_linear(picture / 256)))
    return np.moveaxis(lab, -1, 0)


# %% lab_planes, wrong: calls the library
from vividpast_lib.lab import rgb_to_lab as convert


def lab_planes(picture):
    return convert(torch.from_numpy(picture / 255).permute(2, 0, 1))


# %% lab_planes, right: all steps written out, with einsum
def lab_planes(picture):
    v = picture.astype(float) / 255.0
    light = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    t = np.einsum("ij,hwj->ihw", RGB_TO_XYZ, light) / WHITE[:, None, None]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# %% lab_planes, right: gives back a list of planes
def lab_planes(picture):
    lab = xyz_to_lab(linear_to_xyz(srgb_to_linear(picture / 255)))
    return [lab[..., 0], lab[..., 1], lab[..., 2]]


# %% keep_lightness, wrong: the network's lightness
def keep_lightness(lightness, colors):
    k = lightness.shape[-1] // colors.shape[-1]
    return colors.repeat_interleave(k, dim=-2).repeat_interleave(k, dim=-1)


# %% keep_lightness, wrong: tiled instead of repeated
def keep_lightness(lightness, colors):
    k = lightness.shape[-1] // colors.shape[-1]
    return torch.cat([lightness, colors[:, 1:].repeat(1, 1, k, k)], dim=1)


# %% keep_lightness, wrong: k is always 2
def keep_lightness(lightness, colors):
    ab = colors[:, 1:].repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)
    return torch.cat([lightness, ab], dim=1)


# %% keep_lightness, wrong: smooth instead of repeated
def keep_lightness(lightness, colors):
    ab = torch.nn.functional.interpolate(colors[:, 1:], lightness.shape[-2:], mode="bilinear")
    return torch.cat([lightness, ab], dim=1)


# %% keep_lightness, right: nearest
def keep_lightness(lightness, colors):
    large = torch.nn.functional.interpolate(colors, size=lightness.shape[-2:], mode="nearest")
    large[:, :1] = lightness
    return large


# %% keep_lightness, right: NumPy and loops
def keep_lightness(lightness, colors):
    n, _, height, width = lightness.shape
    k = height // colors.shape[2]
    lab = np.zeros((n, 3, height, width))
    lab[:, 0] = lightness[:, 0].numpy()
    for y in range(height):
        for x in range(width):
            lab[:, 1:, y, x] = colors[:, 1:, y // k, x // k].numpy()
    return lab


# %% true_claims, wrong: one too many
def true_claims():
    return "ADEF"


# %% true_claims, wrong: one missing
def true_claims():
    return "AD"


# %% true_claims, wrong: not letters
def true_claims():
    return 3


# %% true_claims, right: put together
def true_claims():
    return "".join(sorted({"F", "A", "D"}))
