"""The colour difference CIEDE2000: Lab pictures in, differences as people see them out."""

import math

import torch
from torch import Tensor


def ciede2000(predicted: Tensor, true: Tensor) -> Tensor:
    """Colour difference of each pixel.

    Parameters
    ----------
    predicted, true : Tensor, shape (..., 3, H, W)
        CIE Lab.

    Returns
    -------
    Tensor, shape (..., H, W)
        About 1 can just be seen; a difference counts for less among strong colours.

    References
    ----------
    Sharma, Wu and Dalal, The CIEDE2000 color-difference formula, 2005: their equations, with
    kL = kC = kH = 1.
    """
    (l1, a1, b1), (l2, a2, b2) = (each.double().unbind(dim=-3) for each in (predicted, true))
    mean_chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    g = 0.5 * (1 - _saturation(mean_chroma))
    (c1, h1), (c2, h2) = (_polar((1 + g) * a, b) for a, b in ((a1, b1), (a2, b2)))

    turn = h2 - h1
    turn = turn - 360 * (turn > 180) + 360 * (turn < -180)
    turn = torch.where(c1 * c2 == 0, 0, turn)  # grey has no hue
    lightness, chroma = l2 - l1, c2 - c1
    hue = 2 * (c1 * c2).sqrt() * torch.sin(torch.deg2rad(turn / 2))

    l, c = (l1 + l2) / 2, (c1 + c2) / 2  # noqa: E741 - the names in the paper
    h = (h1 + h2) / 2
    h = torch.where((h1 - h2).abs() > 180, torch.where(h < 180, h + 180, h - 180), h)
    h = torch.where(c1 * c2 == 0, h1 + h2, h)
    weight = (
        1
        - 0.17 * _cos(h - 30)
        + 0.24 * _cos(2 * h)
        + 0.32 * _cos(3 * h + 6)
        - 0.20 * _cos(4 * h - 63)
    )
    scale_l = 1 + 0.015 * (l - 50) ** 2 / (20 + (l - 50) ** 2).sqrt()
    scale_c, scale_h = 1 + 0.045 * c, 1 + 0.015 * c * weight
    angle = 60 * (-(((h - 275) / 25) ** 2)).exp()  # in the blues hue and chroma interact
    rotation = -2 * _saturation(c) * torch.sin(torch.deg2rad(angle))
    lightness, chroma, hue = lightness / scale_l, chroma / scale_c, hue / scale_h
    difference = lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue
    return difference.clamp(min=0).sqrt().to(predicted.dtype)


def _saturation(chroma: Tensor) -> Tensor:
    return (chroma**7 / (chroma**7 + 25.0**7)).sqrt()


def _polar(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Chroma, and hue in degrees, 0 to 360."""
    return torch.hypot(a, b), torch.atan2(b, a) * (180 / math.pi) % 360


def _cos(degrees: Tensor) -> Tensor:
    return torch.cos(torch.deg2rad(degrees))
