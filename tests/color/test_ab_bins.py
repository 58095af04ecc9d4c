"""Bins of ab: what is encoded comes back, and each way to answer does what it is named for."""

import pytest
import torch

from vividpast_lib.color import ab_bins
from vividpast_lib.color.ab_bins import (
    BIN_SIZE,
    bin_centers,
    bin_shares,
    cross_entropy,
    rebalancing,
    soft_encode,
)
from vividpast_lib.color.color_decoder import (
    DISTINCT,
    MOST_TILTED,
    STRONGEST_TILTED,
    ColorDecoder,
    annealed_mean,
    likeliest,
    mode,
    tilted_mean,
)
from vividpast_lib.color.gamut import outside_srgb
from vividpast_lib.color.lab import rgb_to_lab
from vividpast_lib.color.srgb import srgb_level_table


@pytest.fixture
def ab() -> torch.Tensor:
    """Random colours of sRGB, (4, 2, 8, 8)."""
    rgb = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return rgb_to_lab(rgb)[:, 1:]


def logits_of(bins: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Make logits (N, Q, H, W) of a soft encoding."""
    n, _, height, width = bins.shape
    shares = torch.zeros(n, len(bin_centers()), height, width).scatter(1, bins, weights)
    return shares.clamp(min=1e-12).log()


def two_colors(shares: tuple[float, float]) -> tuple[torch.Tensor, list[int]]:
    """Make logits of one pixel that may be (60, 40) or, less likely, (-40, -20)."""
    rows = [
        int((bin_centers() == torch.tensor(color)).all(dim=1).nonzero())
        for color in ([60.0, 40.0], [-40.0, -20.0])
    ]
    logits = torch.full((1, len(bin_centers()), 1, 1), -50.0)
    logits[0, rows, 0, 0] = torch.tensor(shares).log()
    return logits, rows


def test_every_color_of_srgb_has_a_bin_near_it() -> None:
    colors = torch.rand(3, 20_000, 1, generator=torch.Generator().manual_seed(1)).round(decimals=2)
    distances = torch.cdist(rgb_to_lab(colors)[1:, :, 0].T, bin_centers())
    assert distances.amin(dim=1).max() <= BIN_SIZE / 2**0.5 + 1e-3  # within its own square
    assert len(bin_centers()) == len(bin_centers().unique(dim=0))


def test_bins_no_color_falls_into_are_left_out() -> None:
    centers = bin_centers().tolist()
    assert [0, 0] in centers
    for impossible in ([100, -110], [-90, -60], [90, 90]):
        assert impossible not in centers


def test_soft_encoding_keeps_the_color(ab: torch.Tensor) -> None:
    bins, weights = soft_encode(ab)
    assert bins.shape == weights.shape == (4, 5, 8, 8)
    assert torch.allclose(weights.sum(dim=1), torch.ones(4, 8, 8))
    back = (weights[..., None] * bin_centers()[bins]).sum(dim=1).movedim(-1, 1)
    errors = (back - ab).abs()
    assert errors.mean() < 2  # a hard choice of the nearest bin would leave 2.5
    assert (weights[:, 0] >= weights[:, 1]).all()  # nearest first


def test_what_is_cached_in_inference_can_be_trained_with_later(ab: torch.Tensor) -> None:
    cached = (bin_centers, ab_bins._nearest_bins, srgb_level_table)
    for table in cached:
        table.cache_clear()
    with torch.inference_mode():
        srgb_level_table(255)
        cross_entropy(torch.zeros(4, len(bin_centers()), 8, 8), ab)
    logits = torch.zeros(4, len(bin_centers()), 8, 8, requires_grad=True)
    (annealed_mean(logits).sum() + cross_entropy(logits, ab)).backward()
    assert logits.grad is not None and logits.grad.abs().max() > 0
    gain = torch.ones(256, requires_grad=True)
    (gain * srgb_level_table(255)).sum().backward()


def test_cross_entropy_is_least_for_the_truth(ab: torch.Tensor) -> None:
    bins, weights = soft_encode(ab)
    entropy = -(weights * weights.log()).sum(dim=1).mean()
    truth = logits_of(bins, weights)
    assert cross_entropy(truth, ab).item() == pytest.approx(entropy.item(), abs=1e-3)
    flat = torch.zeros_like(truth)
    assert cross_entropy(flat, ab).item() == pytest.approx(
        torch.tensor(float(len(bin_centers()))).log().item(), abs=1e-4
    )
    mixed = truth.roll(1, dims=0)
    assert cross_entropy(mixed, ab) > cross_entropy(truth, ab) + 1


def test_mean_mode_and_what_lies_between() -> None:
    logits, _ = two_colors((0.6, 0.4))
    assert mode(logits).flatten().tolist() == [60, 40]
    mean = annealed_mean(logits, 1.0).flatten()
    assert mean.tolist() == pytest.approx([0.6 * 60 - 0.4 * 40, 0.6 * 40 - 0.4 * 20], abs=1e-3)
    distances = [
        (annealed_mean(logits, t).flatten() - torch.tensor([60.0, 40.0])).norm().item()
        for t in (1.0, 0.38, 0.1, 0.01)
    ]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] == pytest.approx(0, abs=1e-3)


def test_rebalancing_lets_the_rare_color_win() -> None:
    logits, rows = two_colors((0.6, 0.4))
    shares = torch.full((len(bin_centers()),), 1e-4)
    shares[rows[0]] = 0.5
    shares /= shares.sum()
    weights = rebalancing(shares)
    assert (weights * shares).sum().item() == pytest.approx(1, abs=1e-4)
    assert weights[rows[1]] > 10 * weights[rows[0]]
    plain, balanced = (ColorDecoder(0.1, uniform)(logits, shares).flatten() for uniform in (1, 0.5))
    assert plain[0] > 50  # the common one
    assert balanced[0] < -30  # the rare one
    gained = ColorDecoder(0.1, 0.5, gain=1.5)(logits, shares).flatten()
    assert torch.allclose(gained, 1.5 * balanced)


def test_a_radius_lets_an_even_wall_agree_on_one_color_and_keeps_the_next_thing_apart() -> None:
    """Without it, a wall of which nothing is known gets blotches of several colours."""
    random = torch.Generator().manual_seed(0)
    shares = torch.full((len(bin_centers()),), 1 / len(bin_centers()))
    logits = torch.full((1, len(bin_centers()), 24, 32), -10.0)
    red, blue, green = (
        (bin_centers() - torch.tensor(color)).norm(dim=1).argmin()
        for color in ([60.0, 40.0], [20.0, -60.0], [-60.0, 50.0])
    )
    blotches = 2 * torch.rand(1, 24, 20, generator=random) - 1
    logits[:, red, :, :20], logits[:, blue, :, :20] = 1 + blotches, 1 - blotches
    logits[:, green, :, 20:] = 3.0
    lightness = torch.full((1, 1, 96, 128), 40.0)
    lightness[..., 80:] = 70
    alone, agreed = (
        decoder(decoder.smooth(logits, lightness), shares)
        for decoder in (ColorDecoder(0.3), ColorDecoder(0.3, radius=0.2))
    )
    assert agreed[..., :20].std(dim=(2, 3)).max() < 0.3 * alone[..., :20].std(dim=(2, 3)).max()
    assert (agreed[..., 20:] - alone[..., 20:]).abs().max() < 1


def test_shares_count_the_colors_of_photos() -> None:
    red, blue = torch.tensor([60.0, 40.0]), torch.tensor([30.0, -70.0])
    ab = torch.where(torch.arange(8) < 6, red[:, None], blue[:, None]).view(1, 2, 1, 8)
    shares = bin_shares(ab)
    near_red = (bin_centers() - red).norm(dim=1) < 15
    assert shares.sum().item() == pytest.approx(1, abs=1e-5)
    assert shares[near_red].sum().item() == pytest.approx(0.75, abs=1e-5)


def test_between_two_decoders_each_parameter_lies_between() -> None:
    faithful, vivid = ColorDecoder(0.6), ColorDecoder(0.5, 0.9, 1.3, 0.05)
    assert faithful.interpolate(vivid, 0) == faithful
    assert faithful.interpolate(vivid, 1) == vivid  # to the last bit: a fingerprint is made of it
    ways = [faithful.interpolate(vivid, share / 10) for share in range(11)]
    for name in ("temperature", "uniform", "gain", "radius"):
        values = [getattr(way, name) for way in ways]
        assert values in (sorted(values), sorted(values, reverse=True))
        assert len(set(values)) == 11
    # Factors: two halves of the way multiply to the whole.
    assert faithful.interpolate(vivid, 0.5).gain ** 2 == pytest.approx(1.3)


def hump(*tops: tuple[float, float, float]) -> torch.Tensor:
    """Logits (Q,) of a distribution with a smooth hump at each (a, b) of a height."""
    shares = sum(
        height * torch.exp(-(bin_centers() - torch.tensor([a, b])).square().sum(dim=1) / 300)
        for a, b, height in tops
    )
    return (shares + 1e-9).log()


def test_the_likeliest_colors_are_different_ones_and_shares_add_up() -> None:
    """The five likeliest bins alone would all be neighbours at the top of the one hump."""
    colors = likeliest(hump((50, 40, 1.0), (-40, 30, 0.5), (20, -60, 0.25)), 55, count=3)
    for (ab, _), top in zip(colors, [(50, 40), (-40, 30), (20, -60)], strict=True):
        assert ab == pytest.approx(top, abs=6)
    assert [share for _, share in colors] == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=0.03)

    five = likeliest(hump((0, 5, 1.0)), 55)
    assert len(five) == 5
    assert [share for _, share in five] == sorted((share for _, share in five), reverse=True)
    assert sum(share for _, share in five) == pytest.approx(1, abs=1e-4)
    ab = torch.tensor([ab for ab, _ in five])
    assert torch.pdist(ab).min() > DISTINCT / 2


@pytest.mark.parametrize("lightness", [0, 4, 50, 97, 100])
def test_the_likeliest_colors_can_be_shown_at_that_lightness(lightness: float) -> None:
    colors = likeliest(torch.zeros(len(bin_centers())), lightness, count=9)
    ab = torch.tensor([ab for ab, _ in colors])
    lab = torch.cat([torch.full((len(ab), 1), float(lightness)), ab], dim=1).T[:, :, None]
    assert not outside_srgb(lab, tolerance=0.02).any()
    assert sum(share for _, share in colors) == pytest.approx(1, abs=1e-4)
    assert len(colors) == {0: 1, 100: 1}.get(lightness, len(colors))
    assert len(colors) > (5 if lightness == 50 else 0)


def narrow(center: tuple[float, float], sigma: float) -> torch.Tensor:
    """Make logits (1, Q, 1, 1) of a Gaussian around a colour."""
    distance = (bin_centers() - torch.tensor(center)).norm(dim=1)
    return (-((distance / sigma) ** 2) / 2)[None, :, None, None]


def test_a_tilt_is_strong_where_colors_differ_in_strength_and_not_in_hue() -> None:
    dull_or_green = narrow((-5, 5), 6).exp() + narrow((-40, 40), 6).exp()
    red_or_green = narrow((40, 40), 6).exp() + narrow((-40, 40), 6).exp()
    gains = {}
    for name, logits in {
        "narrow": narrow((15, 15), 4),
        "dull or green": dull_or_green.log(),
        "grey": narrow((0, 0), 4),
    }.items():
        plain, tilted = tilted_mean(logits, 0).flatten(), tilted_mean(logits, 1.4).flatten()
        assert torch.allclose(plain, annealed_mean(logits, 1).flatten(), atol=1e-4)
        gains[name] = (tilted.norm() / plain.norm().clamp(min=1)).item()
    assert 1 < gains["narrow"] < 1.1
    assert gains["dull or green"] > 1.4
    assert gains["grey"] < 0.1
    # A hint of colour, as on a wall, is no reason for a strong one.
    hint = narrow((8, 0), 30)
    gain = tilted_mean(hint, 4).norm() / annealed_mean(hint, 1).norm()
    assert gain.item() == pytest.approx(MOST_TILTED, rel=0.01)
    # What is strong gets no glow, and what is stronger stays so.
    unsure, strong = narrow((40, 0), 30), narrow((80, 0), 10)
    assert annealed_mean(unsure, 1).norm() < 45
    assert tilted_mean(unsure, 4).norm().item() == pytest.approx(STRONGEST_TILTED, rel=0.01)
    plain = annealed_mean(strong, 1).norm()
    assert plain > STRONGEST_TILTED
    assert tilted_mean(strong, 4).norm().item() == pytest.approx(plain.item(), rel=0.01)
    # Of two hues that contradict each other none is made up.
    ab = tilted_mean(red_or_green.log(), 1.4).flatten()
    assert ab[0].abs() < 1
