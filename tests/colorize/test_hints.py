"""Hints: they hold where they are put, fill things up to their edges, and leave the rest alone."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from vividpast_lib.color.gamut import outside_srgb
from vividpast_lib.color.lab import rgb_to_lab
from vividpast_lib.color.upsampling import guided_upsample
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.compose import compose_rgb, lightness_of
from vividpast_lib.colorize.hint_spreading import SPREADING_SIDE, Spreading, spreading_size
from vividpast_lib.colorize.strokes import (
    Stroke,
    draw_strokes,
    hints_from_json,
    hints_to_json,
    read_hints,
)
from vividpast_lib.runtime.errors import VividPastError

RED, BLUE = (50.0, 35.0), (5.0, -40.0)


def dot(x: float, y: float, ab: tuple[float, float] = RED, radius: float = 0.02) -> Stroke:
    return Stroke(ab, ((x, y),), radius)


def two_things(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Lightness of a bright disc on a grainy, darker ground, and where the disc is."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    disc = (x - 0.4 * width) ** 2 + (y - 0.5 * height) ** 2 < (0.3 * height) ** 2
    grain = torch.randn(height, width, generator=torch.Generator().manual_seed(0))
    return 40 + 25 * disc + 0.7 * grain, disc


# Drawing.


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (48, 64), (301, 200)])
def test_a_dot_of_no_radius_is_the_pixel_that_holds_its_point(size: tuple[int, int]) -> None:
    height, width = size
    places = np.random.default_rng(0).random((20, 2)).tolist()
    for x, y in [*places, (0, 0), (1, 1), (0.5, 0.5), (1, 0)]:
        mask, ab = draw_strokes([dot(x, y, radius=0)], height, width)
        row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
        assert np.argwhere(mask).tolist() == [[row, column]]
        assert ab[:, row, column].tolist() == list(RED)


def test_a_thick_line_has_round_ends_and_the_same_shape_at_any_size() -> None:
    stroke = Stroke(RED, ((0.3, 0.25), (0.3, 0.75), (0.8, 0.75)), 0.1)
    shares = []
    for height, width in ((60, 90), (240, 360)):
        mask, ab = draw_strokes([stroke], height, width)
        y, x = (np.argwhere(mask) + 0.5).T
        shares.append(mask.mean())
        # Nothing is further than the radius from the lines, and all that is nearer is drawn.
        down = np.hypot(x - 0.3 * width, y - y.clip(0.25 * height, 0.75 * height))
        across = np.hypot(x - x.clip(0.3 * width, 0.8 * width), y - 0.75 * height)
        assert np.minimum(down, across).max() < 0.1 * height
        straight = 0.2 * height * (0.5 * height + 0.5 * width)
        overlap = (1.75 + np.pi / 4 - 2.5) * (0.1 * height) ** 2  # roughly, at the bend
        area = straight + np.pi * (0.1 * height) ** 2 - overlap
        assert mask.sum() == pytest.approx(area, rel=0.04)
        assert (ab[:, ~mask] == 0).all()
    assert shares[0] == pytest.approx(shares[1], rel=0.02)


def test_pixels_nearer_to_a_line_than_its_radius_are_drawn_and_no_others() -> None:
    """Many random lines, also with points twice, level and upright pieces, beside a plain count."""
    random = np.random.default_rng(0)
    for _ in range(60):
        height, width = random.integers(1, 60, 2).tolist()
        points = np.round(random.random((random.integers(2, 6), 2)) * 4) / 4 + 1e-7
        points = np.minimum(points, 1)
        radius = max(0.2 * min(height, width), 0.5)
        y, x = np.mgrid[:height, :width] + 0.5
        distance = np.full((height, width), np.inf)
        for start, end in pairwise(points * (width, height)):
            along = end - start
            share = (x - start[0]) * along[0] + (y - start[1]) * along[1]
            share = (share / max(along @ along, 1e-12)).clip(0, 1)
            away = np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1])
            distance = np.minimum(distance, away)
        mask, _ = draw_strokes([Stroke(RED, points.tolist(), 0.2)], height, width)
        sure = np.abs(distance - radius) > 1e-4
        assert (mask == (distance < radius))[sure & (distance > 0.71)].all()
        assert mask[distance < radius - 1e-4].all()


@pytest.mark.parametrize("end", [(0.9, 0.5), (0.1, 0.9), (0.5, 0.95), (0.9, 0.8), (0.13, 0.97)])
def test_the_thinnest_line_has_no_gaps(end: tuple[float, float]) -> None:
    """Also where it runs between two rows or columns, as y = 0.5 of an even height does."""
    mask, _ = draw_strokes([Stroke(RED, ((0.1, 0.5), end))], 40, 60)
    steps = np.abs(np.array(end) - (0.1, 0.5)) * (60, 40)
    along = mask.any(axis=0) if steps[0] > steps[1] else mask.any(axis=1)
    assert np.diff(np.flatnonzero(along)).max() == 1
    assert along.sum() >= steps.max() - 1
    assert mask.sum() <= 2 * along.sum()


def test_later_strokes_lie_over_earlier_ones_and_strips_are_parts_of_the_whole() -> None:
    strokes = [Stroke(RED, ((0.1, 0.2), (0.9, 0.9)), 0.1), dot(0.5, 0.5, BLUE, 0.2)]
    mask, ab = draw_strokes(strokes, 50, 70)
    assert ab[:, 25, 35].tolist() == list(BLUE)
    turned, _ = draw_strokes(strokes[::-1], 50, 70)
    assert (mask == turned).all()
    parts = [draw_strokes(strokes, 50, 70, top, top + 10) for top in range(0, 50, 10)]
    assert (np.concatenate([part for part, _ in parts]) == mask).all()
    assert (np.concatenate([part for _, part in parts], axis=1) == ab).all()


# Files.


def test_hints_come_back_from_a_file(tmp_path: Path) -> None:
    strokes = [Stroke((1 / 3, -40), [[0.1, 2 / 3], (1, 0)], 0.015), dot(0, 1, BLUE, 0)]
    (tmp_path / "hints.json").write_text(hints_to_json(strokes))
    assert read_hints(tmp_path / "hints.json") == strokes
    assert hints_from_json(hints_to_json([])) == []


def one(**changes: str) -> str:
    facts = {"ab": "[1, 2]", "radius": "0.1", "points": "[[0.5, 0.5]]"} | changes
    stroke = ", ".join(f'"{key}": {value}' for key, value in facts.items() if value)
    good = '{"ab": [1, 2], "radius": 0, "points": [[0, 0]]}'
    return f'{{"hints": 1, "strokes": [{good}, {{{stroke}}}]}}'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no JSON"),
        ('{"hints": 1,\n oh}', "is no JSON.*line 2"),
        pytest.param("[" * 100_000, "is no JSON", id="deep"),
        pytest.param("1" * 10_000, "is no JSON", id="long"),
        pytest.param(one(ab="[" * 990 + "]" * 990), "", id="nearly too deep"),
        ("[1]", "holds no hints"),
        ('{"strokes": []}', "holds no hints"),
        ('{"hints": 2, "strokes": []}', "is of version 2"),
        ('{"hints": true, "strokes": []}', "is of version true"),
        ('{"hints": 1}', "has no list"),
        ('{"hints": 1, "strokes": {}}', "has no list"),
        ('{"hints": 1, "strokes": [7]}', "stroke 1: must have"),
        (one(ab=""), "stroke 2: has no ab"),
        (one(radius=""), "stroke 2: has no radius"),
        (one(points=""), "stroke 2: has no points"),
        (one(ab="[[[1]], 2]"), "stroke 2: ab.*1"),
        (one(ab="[1]"), "stroke 2: ab must be two numbers"),
        (one(ab="[1, NaN]"), "stroke 2: ab.*NaN"),
        (one(ab='["1", 2]'), 'stroke 2: ab.*"1"'),
        (one(ab="[1, 111]"), "stroke 2: ab.*from -110 to 110"),
        (one(radius="true"), "stroke 2: radius.*true"),
        (one(radius="-0.1"), "stroke 2: radius.*from 0 to 1"),
        (one(radius="1e999"), "stroke 2: radius.*Infinity"),
        (one(points="[]"), "stroke 2: points must"),
        (one(points="[0.5, 0.5]"), "stroke 2: each point must be two numbers"),
        (one(points="[[0.5, 1.01]]"), "stroke 2: each point.*from 0 to 1"),
        pytest.param(
            one(points=f"[[{'9' * 500}, 0]]"), r"stroke 2: each point.*9\.\.\.", id="long point"
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_sentence(
    text: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "hints.json").write_text(text)
    with pytest.raises(VividPastError, match=f"hints.json: {sentence}") as caught:
        read_hints(tmp_path / "hints.json")
    message = str(caught.value)
    assert "\n" not in message and len(message) < 200 + len(str(tmp_path))


def test_files_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "huge.json").write_bytes(b" " * 10_000_001)
    for name, reason in (
        ("photo.jpg", "no text"),
        ("huge.json", "larger than 10 MB"),
        ("none.json", "can't be read"),
        (".", "can't be read"),
    ):
        with pytest.raises(VividPastError, match=reason):
            read_hints(tmp_path / name)


# Spreading.


def test_a_dot_fills_its_thing_up_to_the_edge_and_leaves_others_alone() -> None:
    lightness, disc = two_things(160, 240)
    spreading = Spreading(lightness)
    assert spreading.size == spreading_size(160, 240) == (SPREADING_SIDE, 192)
    difference = spreading.spread(torch.zeros(1, 2, 40, 60), [dot(0.4, 0.5)])
    large = guided_upsample(difference, lightness[None, None])[0]
    # As heat spreads, most of the disc would get a third of the hint.
    assert large[0, disc].quantile(0.1) > 0.75 * RED[0]
    assert large[0, ~disc].quantile(0.95) < 0.1 * RED[0]


def test_a_hint_fades_with_the_distance_and_never_goes_beyond_itself() -> None:
    flat = torch.full((100, 200), 50.0)
    model = torch.zeros(1, 2, 25, 50)
    a, b = Spreading(flat).spread(model, [dot(0.1, 0.5)])[0]
    line = a[50]
    assert line[20] == pytest.approx(RED[0], abs=1e-4)
    assert (line[20:].diff() <= 1e-6).all()
    assert 0.4 < line[45] / RED[0] < 0.8 and line[150] < 0.05 * RED[0]
    assert torch.allclose(b * RED[0], a * RED[1], atol=1e-3)  # the hue stays

    # Behind a corner between two hints a sum of squares overshoots.
    lightness, _ = two_things(96, 120)
    strokes = [dot(0.3, 0.4), dot(0.5, 0.6, BLUE), dot(0.45, 0.35, (-30, 20))]
    both = Spreading(lightness).spread(model, strokes)[0]
    assert both[0].min() >= -30.001 and both[0].max() <= 50.001
    assert both[1].min() >= -40.001 and both[1].max() <= 35.001


def test_the_same_hints_spread_alike_on_a_photo_and_on_small_copies_of_it() -> None:
    answers = []
    for height in (64, 128, 512):
        lightness, _ = two_things(height, height)
        # Painted and grainless, as grain isn't the same at all sizes.
        smooth = torch.where(lightness > 52, 65.0, 40.0)
        difference = Spreading(smooth).spread(torch.zeros(1, 2, 8, 8), [dot(0.4, 0.9, radius=0.05)])
        answers.append(torch.nn.functional.interpolate(difference, size=(32, 32), mode="area"))
    assert (answers[1] - answers[2]).abs().mean() < 0.5
    assert (answers[0] - answers[1]).abs().mean() < 2
    assert answers[1][0, 0].max() > 40


def test_a_hint_that_says_what_the_model_says_changes_nothing() -> None:
    lightness, _ = two_things(80, 120)
    model = torch.tensor(BLUE).view(1, 2, 1, 1).expand(1, 2, 20, 30)
    difference = Spreading(lightness).spread(model, [dot(0.4, 0.5, BLUE, 0.1)])
    assert difference.abs().max() < 1e-3
    assert Spreading(lightness).spread(model, []).abs().max() == 0


def test_the_answer_is_the_least_squares_solution() -> None:
    """Against a dense solver, on a photo so small that it can be asked."""
    lightness = 30 + 20 * torch.rand(7, 9, generator=torch.Generator().manual_seed(2))
    spreading = Spreading(lightness)
    strokes = [dot(0.2, 0.3, RED, 0), dot(0.9, 0.9, BLUE, 0)]
    model = torch.zeros(1, 2, 7, 9)
    ours = spreading.spread(model, strokes)[0].reshape(2, -1).double().numpy()
    mask, ab = (each.reshape(-1, 63) for each in draw_strokes(strokes, 7, 9))
    given, residuals = mask[0], spreading._residuals.toarray()
    for channel in range(2):
        hints = ab[channel, given].astype(float)
        free = np.linalg.lstsq(residuals[:, ~given], -residuals[:, given] @ hints, rcond=None)[0]
        expected = free.clip(min(0, hints.min()), max(0, hints.max()))
        assert np.abs(ours[channel, ~given] - expected).max() < 1e-3
        assert np.abs(ours[channel, given] - hints).max() < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 2), (3, 3), (3000, 120)])
def test_extreme_shapes(size: tuple[int, int], vivid_colorizer: Colorizer) -> None:
    grey = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    colored = vivid_colorizer(grey, [dot(0.5, 0.5, radius=0), dot(0, 1, BLUE)])
    assert colored.shape == (*size, 3)
    assert (lightness_of(colored) - lightness_of(grey[..., None])).abs().max() < 0.6
    height, width = spreading_size(*size)
    assert height * width <= 2.1 * SPREADING_SIDE**2 and (height <= size[0] and width <= size[1])


# On photos.


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (48, 64), (131, 97), (700, 900)])
def test_hints_hold_exactly_on_the_full_size_photo(
    size: tuple[int, int], dtype: type, vivid_colorizer: Colorizer
) -> None:
    """Over more than one strip, across edges, and where the model answers something else."""
    peak = np.iinfo(dtype).max
    generator = np.random.default_rng(1)
    grey = generator.integers(int(0.3 * peak), int(0.6 * peak), size, dtype)
    strokes = [
        Stroke((20, 15), ((0.1, 0.1), (0.6, 0.95)), 0.03),
        Stroke((-15, 20), ((0.8, 0.2),), 0.1),
        Stroke((5, -20), ((0.3, 0.5),), 0),
    ]
    colored = vivid_colorizer(grey, strokes)
    assert isinstance(colored, np.ndarray) and colored.dtype == dtype
    mask, ab = draw_strokes(strokes, *size)
    lab = rgb_to_lab(torch.from_numpy(colored / peak).permute(2, 0, 1))
    wanted = torch.cat([lightness_of(grey[..., None])[None], torch.from_numpy(ab)])
    assert mask.any() and not outside_srgb(wanted)[mask].any()
    # Half a step of 8 bits is up to 0.8 in ab at these lightnesses.
    error = (lab - wanted)[:, mask].abs().max()
    assert error < (1.0 if dtype == np.uint8 else 0.02)


def test_impossible_hints_are_weakened_and_keep_the_lightness(
    vivid_colorizer: Colorizer, scene: np.ndarray
) -> None:
    colored = vivid_colorizer(scene, [Stroke((-80, -100), ((0.1, 0.1), (0.9, 0.9)), 0.2)])
    assert (lightness_of(colored) - lightness_of(scene)).abs().max() < 0.6


def test_no_hints_are_as_if_there_were_none(vivid_colorizer: Colorizer, scene: np.ndarray) -> None:
    assert np.array_equal(vivid_colorizer(scene), vivid_colorizer(scene, []))
    hinted = vivid_colorizer(scene, [dot(0.5, 0.9)])
    assert not np.array_equal(vivid_colorizer(scene), hinted)


def test_hints_on_one_thing_leave_the_model_s_colors_on_others() -> None:
    lightness, disc = two_things(300, 400)
    model = 20 * torch.randn(1, 2, 12, 16, generator=torch.Generator().manual_seed(3))
    before, after = (
        compose_rgb(lightness, model, hints=hints).astype(int) for hints in ((), [dot(0.4, 0.5)])
    )
    changed = np.abs(after - before).max(axis=2)
    assert np.median(changed[~disc.numpy()]) <= 1
    assert np.median(changed[disc.numpy()]) > 15


def test_a_spreading_that_is_kept_gives_the_same_for_any_strokes() -> None:
    lightness, _ = two_things(90, 120)
    model = torch.zeros(1, 2, 9, 12)
    spreading = Spreading(lightness)
    first, second = [dot(0.4, 0.5)], [dot(0.4, 0.5), dot(0.9, 0.5, BLUE)]
    for strokes in (first, second, first):
        kept = compose_rgb(lightness, model, hints=strokes, spreading=spreading)
        assert np.array_equal(kept, compose_rgb(lightness, model, hints=strokes))
