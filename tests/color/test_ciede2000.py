"""CIEDE2000 against scikit-image, and against pairs that its authors published."""

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000

from vividpast_lib.color.ciede2000 import ciede2000

#: Of Sharma, Wu and Dalal 2005, table 1: pairs that wrong implementations get wrong.
PUBLISHED = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "expected"), PUBLISHED)
def test_published_pairs(one: tuple, other: tuple, expected: float) -> None:
    lab = [torch.tensor(each, dtype=torch.float64).view(3, 1, 1) for each in (one, other)]
    assert ciede2000(*lab).item() == pytest.approx(expected, abs=5e-5)
    assert ciede2000(*lab[::-1]).item() == pytest.approx(expected, abs=5e-5)


def test_it_is_scikit_images() -> None:
    random = torch.Generator().manual_seed(0)
    scale = torch.tensor([100.0, 240, 240])[:, None, None]
    one, other = (
        torch.rand(2, 3, 30, 30, generator=random) * scale - (scale - 100) * 0.86 for _ in range(2)
    )
    one[0, 1:, :5] = 0  # grey has no hue
    expected = deltaE_ciede2000(*(each.movedim(1, -1).double().numpy() for each in (one, other)))
    assert np.abs(ciede2000(one, other).numpy() - expected).max() < 1e-4
    assert ciede2000(one, one).max() == 0
