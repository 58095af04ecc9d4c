"""Convert 64 photos of 224 px to Lab beside scikit-image; on a GPU, beside copying them.

On the CPU both are given the same 8-bit photos. On a GPU the function is compiled to one kernel,
and what counts is how fast it moves bytes; there the photos are repeated until they fill its cache
many times over.
"""

import argparse
from functools import partial

import torch
import torch._inductor.config
from measure import Result, medians, run
from skimage.color import rgb2lab

from vividpast_lib.color.lab import rgb_to_lab
from vividpast_lib.photos.loader import crop_batches
from vividpast_lib.photos.open import open_photos

PHOTOS, SIDE = 64, 224
# Of torch.compile: up to so many tensors are put together by computing all of them at each place.
CONCATENATE = "max_pointwise_cat_inputs", "max_complex_pointwise_cat_inputs"
REPEATED = 16  # on a GPU


def measure(options: argparse.Namespace) -> list[Result]:
    """Time both in turns."""
    squares = torch.cat([each.values for each in crop_batches(open_photos(), SIDE)])
    photos = squares.repeat(2, 1, 1, 1)[:PHOTOS]  # uint8 (64, 3, 224, 224)
    if options.device == "cuda":
        return [_on_gpu(photos, options.rounds)]
    arrays = photos.permute(0, 2, 3, 1).contiguous().numpy()
    times = medians(
        {
            "ours": partial(rgb_to_lab, photos),
            "scikit-image": lambda: [rgb2lab(photo) for photo in arrays],
        },
        5 * options.rounds,
    )
    ratio = times["scikit-image"] / times["ours"]
    summary = f"{PHOTOS} photos: {times['ours']:.3f} s, scikit-image {times['scikit-image']:.3f} s"
    return [Result("lab_vs_skimage", ratio, summary, at_least=5)]


def _on_gpu(photos: torch.Tensor, rounds: int) -> Result:
    rgb = photos.repeat(REPEATED, 1, 1, 1).cuda().float() / 255
    lab = torch.empty_like(rgb)
    options = {name: 0 for name in CONCATENATE if hasattr(torch._inductor.config, name)}
    compiled = torch.compile(rgb_to_lab, options=options)
    times = medians(
        {"ours": partial(compiled, rgb), "copy": partial(lab.copy_, rgb)}, 5 * rounds, "cuda"
    )
    moved = 2 * rgb.nbytes / 1e12
    summary = f"{moved / times['ours']:.2f} TB/s, a copy {moved / times['copy']:.2f} TB/s"
    return Result("lab_vs_copy", times["copy"] / times["ours"], summary, at_least=0.7)


if __name__ == "__main__":
    run(__doc__, measure)
