"""EfficientNet-Lite: the features that the shipped weights were made for."""

import pytest
import torch

from vividpast_lib.networks.efficientnet import EfficientNetLite, load_imagenet

#: Variant, stride, channels, and of the features that timm 1.0 computes below: mean, standard
#: deviation, and three values at the lower edge, where padding counts.
TIMM = [
    (0, 2, 16, 0.1637419, 8.007554, -4.545195, 3.626779, 3.451850),
    (0, 4, 24, 0.0699465, 11.242519, 4.980979, -23.601700, -11.651953),
    (0, 8, 40, -0.3817443, 10.069953, 7.116814, -18.358992, -3.625572),
    (0, 16, 112, 0.1370839, 6.422758, -3.537508, 0.246911, 0.972501),
    (0, 32, 320, 0.1073618, 2.404430, 0.644446, 4.531792, -3.051790),
    (2, 2, 16, -0.0117149, 9.127924, 9.808696, 4.572467, -3.562014),
    (2, 4, 24, -0.5555149, 11.884928, 11.935439, -5.258361, 6.498458),
    (2, 8, 48, 0.5996294, 11.490795, 2.817285, 4.435494, -18.899155),
    (2, 16, 120, -0.1519564, 6.674575, 0.413977, 2.726266, -2.039724),
    (2, 32, 352, 0.1153372, 2.808278, 0.672118, 1.356857, 3.434877),
]


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    """Waves (1, 3, 75, 98), whose sides no stride divides."""
    y, x = torch.meshgrid(torch.arange(75.0), torch.arange(98.0), indexing="ij")
    return torch.stack([(x / 9).sin(), (y / 7).cos(), ((x + y) / 11).sin()])[None]


@pytest.mark.parametrize("variant", [0, 2])
def test_features_are_those_of_the_published_network(photo: torch.Tensor, variant: int) -> None:
    network = EfficientNetLite(variant, (2, 4, 8, 16, 32)).eval()
    load_imagenet(network)
    with torch.inference_mode():
        features = network(photo)
    expected = [row[1:] for row in TIMM if row[0] == variant]
    for maps, (stride, channels, *numbers) in zip(features, expected, strict=True):
        assert maps.shape == (1, channels, -(-75 // stride), -(-98 // stride))
        edge = (maps[0, 0, -1, -1], maps[0, 7, -1, 0], maps[0, -1, -1, -2])
        ours = [each.item() for each in (maps.mean(), maps.std(), *edge)]
        assert ours == pytest.approx(numbers, rel=1e-3, abs=1e-3)


def test_only_the_features_asked_for_are_given(photo: torch.Tensor) -> None:
    torch.manual_seed(0)
    network = EfficientNetLite(0, (8, 32)).eval()
    assert network.channels == (40, 320)
    with torch.inference_mode():
        assert [maps.shape[1] for maps in network(photo)] == [40, 320]
