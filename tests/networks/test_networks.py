import pytest
import torch
from torch import nn

from vividpast_lib.networks.colornet_2018 import ColorAutoencoder, Encoder2018, FusionColorizer
from vividpast_lib.networks.constant import ConstantColorizer
from vividpast_lib.networks.layers import SameConv2d


def test_autoencoder_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in ColorAutoencoder().parameters()) == 334_754


def test_layers_are_those_of_the_published_table() -> None:
    convolutions = [m for m in ColorAutoencoder().modules() if isinstance(m, nn.Conv2d)]
    table = [(c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions]
    assert table == [
        *((32, 3, 2), (32, 2, 1), (64, 3, 2), (64, 2, 1), (128, 3, 2)),
        *((128, 3, 1), (64, 3, 1), (2, 1, 1)),
    ]


def test_fusion_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in FusionColorizer().parameters()) == 381_296


def test_fusion_layers_are_those_of_the_published_table() -> None:
    convolutions = [m for m in FusionColorizer().modules() if isinstance(m, nn.Conv2d)]
    table = [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions]
    assert table == [
        *((1, 32, 3, 2), (32, 32, 2, 1), (32, 64, 3, 2), (64, 64, 2, 1), (64, 128, 3, 2)),
        (149, 149, 1, 1),
        *((149, 128, 3, 1), (128, 64, 3, 1), (64, 2, 1, 1)),
    ]


@pytest.mark.parametrize("size", [(224, 224), (8, 8), (1, 1), (9, 31), (97, 100)])
def test_fusion_takes_any_size(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 21, -(-size[0] // 8), -(-size[1] // 8))
    assert FusionColorizer()(torch.rand(2, 1, *size), maps).shape == (2, 2, *size)


def test_fusion_sees_lightness_and_every_class_where_it_is() -> None:
    torch.manual_seed(0)
    network = FusionColorizer().eval()
    lightness, maps = torch.rand(1, 1, 96, 96), torch.rand(1, 21, 12, 12)
    before = network(lightness, maps)
    for channel in range(21):
        other = maps.clone()
        other[0, channel, 2, 3] += 5
        moved = (network(lightness, other) - before).abs().amax(dim=(0, 1)) > 1e-7
        rows, columns = moved.nonzero().unbind(dim=1)
        assert len(rows), f"class {channel} changes nothing"
        # 16..24 and 24..32 are the cell's pixels; two 3 x 3 kernels reach a little further.
        assert rows.min() >= 16 - 8 and rows.max() < 24 + 8
        assert columns.min() >= 24 - 8 and columns.max() < 32 + 8
    assert not torch.allclose(network(1 - lightness, maps), before)


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
