import pytest
import torch
from torch import nn

from vividpast_lib.models import (
    ColorAutoencoder,
    ConstantColorizer,
    Encoder2018,
    SameConv2d,
)


def test_autoencoder_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in ColorAutoencoder().parameters()) == 334_754


def test_layers_are_those_of_the_published_table() -> None:
    convolutions = [m for m in ColorAutoencoder().modules() if isinstance(m, nn.Conv2d)]
    table = [(c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions]
    assert table == [
        *((32, 3, 2), (32, 2, 1), (64, 3, 2), (64, 2, 1), (128, 3, 2)),
        *((128, 3, 1), (64, 3, 1), (2, 1, 1)),
    ]


def test_encoder_reaches_one_eighth() -> None:
    assert Encoder2018()(torch.zeros(2, 1, 224, 224)).shape == (2, 128, 28, 28)


@pytest.mark.parametrize("size", [(224, 224), (8, 8), (1, 1), (9, 31), (100, 97), (2, 300)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    ab = ColorAutoencoder()(torch.rand(2, 1, *size))
    assert ab.shape == (2, 2, *size)
    assert ab.abs().max() <= 1


def test_padding_to_a_multiple_of_8_does_not_move_the_picture() -> None:
    network = ColorAutoencoder().eval()
    photo = torch.rand(1, 1, 64, 64)
    whole, cut = network(photo), network(photo[..., :61, :])
    # Far from the cut the answer must be the same, at the same place.
    assert torch.allclose(whole[..., :30, :], cut[..., :30, :], atol=1e-5)


@pytest.mark.parametrize(("kernel", "stride"), [(2, 1), (3, 1), (3, 2), (1, 1)])
@pytest.mark.parametrize("size", [7, 8])
def test_same_padding_is_tensorflows(kernel: int, stride: int, size: int) -> None:
    # TensorFlow: ceil(size / stride) outputs; what can't be halved goes below and to the right.
    convolution = SameConv2d(1, 1, kernel, stride=stride, bias=False)
    nn.init.ones_(convolution.weight)
    line = torch.arange(1.0, size + 1)
    photo = torch.zeros(1, 1, size, size)
    photo[0, 0, 0] = line
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    before = total // 2
    padded = [0.0] * before + line.tolist() + [0.0] * (total - before)
    expected = [sum(padded[i : i + kernel]) for i in range(0, len(padded) - kernel + 1, stride)]
    # The photo's first row lies in the first window, whatever is padded above it.
    assert convolution(photo)[0, 0, 0].tolist() == pytest.approx(expected)


def test_constant_colorizer_answers_its_color_everywhere() -> None:
    answer = ConstantColorizer((3.0, -4.0))(torch.rand(2, 1, 5, 7))
    assert answer.shape == (2, 2, 5, 7)
    assert answer[:, 0].unique().tolist() == [3] and answer[:, 1].unique().tolist() == [-4]
