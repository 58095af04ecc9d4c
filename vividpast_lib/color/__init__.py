"""Colour: sRGB to CIE Lab and back, bins of ab, small ab maps made large, errors of colour.

::

    srgb.py           the curves and constants of sRGB and Lab
    lab.py            sRGB <-> CIE Lab
    gamut.py          colours outside sRGB: found, and weakened
    scaling.py        Lab scaled for the networks
    ab_bins.py        colour as a choice among bins of ab
    color_decoder.py  one colour out of a distribution over bins: faithful, vivid, sampled
    upsampling.py     a small ab map brought to full size, guided by the lightness
    local_colors.py   a blurred ab map made as sharp as the lightness
    metrics.py        how wrong colours are, and class maps
    ciede2000.py      the colour difference that people see
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "lab": ["lab_to_rgb", "rgb_to_lab"],
        "gamut": ["fit_to_srgb", "outside_srgb"],
        "scaling": ["SCALING_2018", "UNIT_SCALING", "Scaling"],
        "ab_bins": ["bin_centers", "cross_entropy", "rebalancing", "soft_encode"],
        "color_decoder": ["ColorDecoder", "annealed_mean", "likeliest", "mode", "sample"],
        "upsampling": ["guided_upsample"],
        "metrics": ["ab_l1", "blotches", "colorfulness", "hue_error", "psnr", "ssim"],
        "ciede2000": ["ciede2000"],
    },
)
