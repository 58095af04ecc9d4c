"""EfficientNet-Lite0: the features that the shipped weights were made for."""

import pytest
import torch

from vividpast_lib.networks.efficientnet import EfficientNetLite0, load_imagenet

#: Stride, channels, and of the features that timm 1.0 computes below: mean, standard deviation,
#: and three values at the lower edge, where padding counts.
TIMM = [
    (2, 16, 0.1637419, 8.007554, -4.545195, 3.626779, 3.451850),
    (4, 24, 0.0699465, 11.242519, 4.980979, -23.601700, -11.651953),
    (8, 40, -0.3817443, 10.069953, 7.116814, -18.358992, -3.625572),
    (16, 112, 0.1370839, 6.422758, -3.537508, 0.246911, 0.972501),
    (32, 320, 0.1073618, 2.404430, 0.644446, 4.531792, -3.051790),
]


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    """Waves (1, 3, 75, 98), whose sides no stride divides."""
    y, x = torch.meshgrid(torch.arange(75.0), torch.arange(98.0), indexing="ij")
    return torch.stack([(x / 9).sin(), (y / 7).cos(), ((x + y) / 11).sin()])[None]


def test_features_are_those_of_the_published_network(photo: torch.Tensor) -> None:
    network = EfficientNetLite0((2, 4, 8, 16, 32)).eval()
    load_imagenet(network)
    with torch.inference_mode():
        features = network(photo)
    for maps, (stride, channels, *numbers) in zip(features, TIMM, strict=True):
        assert maps.shape == (1, channels, -(-75 // stride), -(-98 // stride))
        edge = (maps[0, 0, -1, -1], maps[0, 7, -1, 0], maps[0, -1, -1, -2])
        ours = [each.item() for each in (maps.mean(), maps.std(), *edge)]
        assert ours == pytest.approx(numbers, rel=1e-3, abs=1e-3)


def test_only_the_features_asked_for_are_given(photo: torch.Tensor) -> None:
    torch.manual_seed(0)
    network = EfficientNetLite0((8, 32)).eval()
    with torch.inference_mode():
        assert [maps.shape[1] for maps in network(photo)] == [40, 320]
