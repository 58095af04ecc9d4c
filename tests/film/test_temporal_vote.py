"""Colours that stay with the things they are on: motion, votes, exposure, and frames in a row."""

import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from vividpast_lib.color.lab import rgb_to_lab
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.compose import lightness_of
from vividpast_lib.film.exposure import accumulate_exposure, exposure_change, normalize_exposure
from vividpast_lib.film.metrics import color_distribution_consistency, rgb_histograms, warping_error
from vividpast_lib.film.motion import (
    Motion,
    consistent,
    motion_between,
    optical_flow,
    same_shot,
    warp,
)
from vividpast_lib.film.pipeline import (
    KEY_EVERY,
    MIN_CONFIDENCE,
    colorize_frames,
    predict_colors,
    worker_pool,
)
from vividpast_lib.film.temporal_vote import VOTE_RADIUS, smooth_colors

from tests.support.films import camera_move  # isort: skip


def texture(height: int = 96, width: int = 128, seed: int = 0) -> Tensor:
    """Smooth random lightness (1, 1, H, W) in about [15, 90]."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, height // 6, width // 6, generator=random)
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (15 + 75 * fine).clamp(0, 100)


def test_flow_finds_where_things_were() -> None:
    later = texture()
    earlier = later.roll((2, -3), dims=(2, 3))  # what is at (y, x) was at (y + 2, x - 3)
    inside = (slice(None), slice(None), slice(16, -16), slice(16, -16))
    flow = optical_flow(later, earlier)[inside]
    assert flow.median(dim=3).values.median(dim=2).values[0].tolist() == pytest.approx(
        [-3, 2], abs=0.2
    )
    warped = warp(earlier, optical_flow(later, earlier))
    assert (warped - later)[inside].abs().mean() < 0.2 * (earlier - later)[inside].abs().mean()


def test_what_was_hidden_is_not_trusted() -> None:
    earlier, later = texture(seed=1), texture(seed=1)
    thing = texture(seed=2)[..., :40, :40]
    earlier[..., 30:70, 30:70] = thing
    later[..., 30:70, 38:78] = thing  # moved by 8 pixels to the right
    from_earlier, _from_later = motion_between(earlier, later)
    uncovered = from_earlier.confidence[..., 34:66, 31:37].mean()
    on_thing = from_earlier.confidence[..., 40:60, 50:68].mean()
    elsewhere = from_earlier.confidence[..., 34:66, 100:120].mean()
    assert uncovered < 0.4
    assert min(on_thing, elsewhere) > 0.9


def test_places_outside_the_neighbour_are_not_consistent() -> None:
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 3.0
    seen = consistent(flow, -flow)
    assert seen[..., :5].all()
    assert not seen[..., 5:].any()
    assert not consistent(flow, flow).any()  # there and not back


@pytest.mark.parametrize("gain", [0.7, 1.0, 1.4])
@pytest.mark.parametrize("grain", [0.0, 5.0])
def test_a_cut_is_told_from_motion_flicker_and_grain(gain: float, grain: float) -> None:
    noise = torch.Generator().manual_seed(5)

    def filmed(lightness: Tensor) -> Tensor:
        noisy = lightness + grain * torch.randn(lightness.shape, generator=noise)
        return noisy.clamp(0, 100)

    first = filmed(texture(seed=3))
    moved = filmed((texture(seed=3).roll((1, 4), dims=(2, 3)) * gain).clamp(0, 100))
    other = filmed((texture(seed=4) * gain).clamp(0, 100))
    assert same_shot(*motion_between(first, moved))
    assert not same_shot(*motion_between(first, other))
    black = torch.zeros_like(first)
    assert not same_shot(*motion_between(first, filmed(black)))


def still(frames: int, confidence: float = 1.0, cells: tuple[int, int] = (4, 5)) -> Motion:
    """No motion, and no frame before the first one."""
    motion = Motion(torch.zeros(frames, 2, *cells), torch.full((frames, 1, *cells), confidence))
    motion.confidence[0] = 0
    return motion


def backwards(motion: Motion) -> Motion:
    return Motion(motion.flow.flip(0), motion.confidence.flip(0))


def test_each_frame_counts_the_less_the_farther_it_is() -> None:
    ab = torch.zeros(9, 2, 4, 5)
    ab[4] = 7.0
    motion = still(9)
    voted = smooth_colors(ab, motion, backwards(motion), slice(None), radius=3)[:, 0, 2, 2]
    weights = torch.tensor([0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0])
    sums = torch.tensor([
        sum(1 - abs(i - j) / 4 for j in range(9) if abs(i - j) < 4) for i in range(9)
    ])  # fmt: skip
    assert voted.tolist() == pytest.approx((7 * weights / sums).tolist())


def test_frames_asked_for_are_as_in_the_whole_film() -> None:
    ab = torch.randn(40, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    motion = still(40, confidence=0.8)
    whole = smooth_colors(ab, motion, backwards(motion), slice(None))
    for asked in (slice(0, 8), slice(17, 20), slice(32, 40)):
        assert torch.equal(smooth_colors(ab, motion, backwards(motion), asked), whole[asked])


def test_nothing_is_taken_from_where_it_is_not_trusted() -> None:
    ab = torch.randn(30, 2, 4, 5, generator=torch.Generator().manual_seed(1))
    from_earlier, from_later = still(30), backwards(still(30))
    from_earlier.confidence[13] = 0  # a cut before frame 13
    from_later.confidence[12] = 0
    voted = smooth_colors(ab, from_earlier, from_later, slice(None))
    changed = ab.clone()
    changed[13:] = 50
    again = smooth_colors(changed, from_earlier, from_later, slice(None))
    assert torch.equal(again[:13], voted[:13])
    assert (again[13:] - 50).abs().max() < 1e-4
    nothing = Motion(from_later.flow, torch.zeros_like(from_later.confidence))
    assert torch.equal(smooth_colors(ab, nothing, nothing, slice(None)), ab)


def test_only_key_frames_vote_and_all_frames_are_coloured() -> None:
    ab = torch.full((13, 2, 4, 5), 50.0)  # what frames that the network has not seen hold
    is_key = torch.zeros(13, dtype=torch.bool)
    is_key[[0, 6, 12]] = True
    ab[is_key] = torch.tensor([0.0, 7.0, 14.0])[:, None, None, None]
    motion = still(13)
    voted = smooth_colors(ab, motion, backwards(motion), slice(None), is_key=is_key)[:, 0, 2, 2]
    assert voted.diff().min() > 0  # from one key frame to the next, without a step
    assert 0 < voted[0] < 7 < voted[12] < 14
    assert voted[6].item() == pytest.approx(7)
    # A place that is hardly seen again still has the colour that lay there.
    motion.confidence[1:] = MIN_CONFIDENCE
    hidden = smooth_colors(ab, motion, backwards(motion), slice(None), is_key=is_key)[:, 0, 2, 2]
    assert hidden[2].item() == pytest.approx(0, abs=0.1)
    assert hidden[7].item() == pytest.approx(7, abs=0.1)


def test_the_network_sees_key_frames_alone(
    vivid_colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One frame in `KEY_EVERY` and the first of each shot; and one whose motion is not found."""
    seen = []
    predict = Colorizer.predict

    def counted(self: Colorizer, lightness: Tensor) -> Tensor:
        seen.append(len(lightness))
        return predict(self, lightness)

    monkeypatch.setattr(Colorizer, "predict", counted)
    colors_of(vivid_colorizer, camera_move(4 * KEY_EVERY))
    assert sum(seen) == 4
    seen.clear()
    colors_of(vivid_colorizer, camera_move(8) + camera_move(16, seed=3))
    assert sum(seen) == 4 + 1  # frame 8 begins a shot
    seen.clear()
    colors_of(vivid_colorizer, camera_move(4 * KEY_EVERY), independent_frames=True)
    assert sum(seen) == 4 * KEY_EVERY


def test_colours_move_with_what_they_are_on() -> None:
    """A colour pattern that moves by a cell a frame, with noise: votes bring it out."""
    pattern = torch.randn(1, 2, 6, 60, generator=torch.Generator().manual_seed(2)) * 20
    true = torch.cat([pattern[..., index : index + 30] for index in range(25)])
    noisy = true + 10 * torch.randn(true.shape, generator=torch.Generator().manual_seed(3))
    from_earlier = still(25, cells=(6, 30))
    from_earlier.flow[:, 0] = 1.0  # the camera moves right: what is at x was at x + 1
    from_earlier.confidence[..., -1] = 0
    from_later = backwards(still(25, cells=(6, 30)))
    from_later.flow[:, 0] = -1.0
    from_later.confidence[..., 0] = 0
    voted = smooth_colors(noisy, from_earlier, from_later, slice(None))
    inside = (slice(None), slice(None), slice(None), slice(2, -2))
    assert (voted - true)[inside].abs().mean() < 0.5 * (noisy - true)[inside].abs().mean()
    unmoved = smooth_colors(noisy, still(25, cells=(6, 30)), from_later, slice(None))
    assert (unmoved - true)[inside].abs().mean() > (voted - true)[inside].abs().mean() * 2


def test_light_is_evened_out_and_grain_does_not_count() -> None:
    first = texture(seed=6)
    darker = ((first + 16) * 0.8 - 16).clamp(0, 100)
    change = exposure_change(first, darker)
    assert change == pytest.approx(0.8, abs=0.01)
    exposure = accumulate_exposure(1.0, change)
    assert (normalize_exposure(darker, exposure) - first).abs().mean() < 3
    assert (darker - first).abs().mean() > 10
    grainy = darker + 6 * torch.randn(darker.shape, generator=torch.Generator().manual_seed(0))
    assert exposure_change(first, grainy) == pytest.approx(change, abs=0.01)
    assert normalize_exposure(first, 1.02) is first
    assert exposure_change(first[first > 100], first) == 1
    for _ in range(2000):  # what was added up is forgotten
        exposure = accumulate_exposure(exposure, 1.0)
    assert exposure == pytest.approx(1, abs=0.01)


def colors_of(
    colorizer: Colorizer, frames: list[np.ndarray], independent_frames: bool = False
) -> tuple[Tensor, list[bool], list[float]]:
    """ab of all frames, before which a cut was seen, and their exposures."""
    with worker_pool() as pool:
        colored = list(
            predict_colors(
                colorizer,
                frames,
                lambda each: lightness_of(each[..., None]),
                pool,
                independent_frames,
            )
        )
    return (
        torch.cat([each.ab for each in colored]),
        [each.is_cut for each in colored],
        [each.exposure for each in colored],
    )


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 16, 17, 30, 41])
def test_as_many_frames_come_out_as_go_in(count: int, vivid_colorizer: Colorizer) -> None:
    frames = camera_move(count)
    colored = list(colorize_frames(vivid_colorizer, iter(frames)))
    assert len(colored) == count
    for grey, frame in zip(frames, colored, strict=True):
        assert frame.shape == (48, 64, 3)
        assert frame.dtype == np.uint8
        difference = lightness_of(frame) - lightness_of(grey[..., None])
        assert difference.abs().max() < 0.6  # and in the same order


def test_frames_may_be_deep_or_have_channels(vivid_colorizer: Colorizer) -> None:
    grey = camera_move(5)
    flat = list(colorize_frames(vivid_colorizer, grey))
    with_channel = list(colorize_frames(vivid_colorizer, [each[..., None] for each in grey]))
    as_rgb = list(colorize_frames(vivid_colorizer, [np.stack([each] * 3, -1) for each in grey]))
    assert np.array_equal(flat, with_channel)
    assert np.abs(np.array(flat, float) - np.array(as_rgb, float)).max() <= 1
    deep = list(colorize_frames(vivid_colorizer, [each.astype(np.uint16) * 257 for each in grey]))
    assert deep[0].dtype == np.uint16
    assert np.abs(np.array(deep) / 257 - np.array(flat, float)).max() < 1.5


def test_each_frame_alone_is_as_a_photo(vivid_colorizer: Colorizer) -> None:
    frames = camera_move(10)
    for frame, colored in zip(
        frames, colorize_frames(vivid_colorizer, frames, independent_frames=True), strict=True
    ):
        photo = vivid_colorizer(frame)
        assert np.abs(photo.astype(int) - colored.astype(int)).max() <= 1


def degraded(frames: list[np.ndarray], kind: str) -> list[np.ndarray]:
    random = np.random.default_rng(8)
    result = []
    for index, frame in enumerate(frames):
        values = frame.astype(float)
        if kind == "grain":
            values += random.normal(0, 8, values.shape)
        elif kind == "flicker":
            values *= 1 + 0.12 * random.standard_normal()
        elif kind == "scratches":
            values[:, random.integers(0, values.shape[1], 3)] = 250
        elif kind == "black frames" and index in (9, 10, 20):
            values[:] = 2
        elif kind == "cross-fade":
            share = np.clip((index - 10) / 10, 0, 1)
            values = (1 - share) * values + share * camera_move(30, seed=3)[index]
        elif kind == "cut" and index >= 13:
            values = camera_move(30, seed=3)[index].astype(float)
        result.append(values.clip(0, 255).round().astype(np.uint8))
    return result


@pytest.mark.parametrize(
    "kind", ["clean", "grain", "flicker", "scratches", "black frames", "cross-fade", "cut"]
)
def test_steadier_than_each_frame_alone_whatever_the_stock(
    kind: str, vivid_colorizer: Colorizer
) -> None:
    frames = degraded(camera_move(30), kind)
    independent, _cuts, _exposures = colors_of(vivid_colorizer, frames, independent_frames=True)
    film, cuts, exposures = colors_of(vivid_colorizer, frames)
    assert torch.isfinite(film).all()
    # Measured along the motion of the clean film, which the stock hides.
    clean = [lightness_of(each[..., None])[None, None] for each in camera_move(30)]

    def error(ab: Tensor) -> float:
        ab = torch.nn.functional.interpolate(ab, (48, 64), mode="bilinear")
        total = []
        for index in range(1, 30):
            if kind in ("cut", "cross-fade") and index >= 10:
                break  # the second scene moves otherwise
            flow = optical_flow(clean[index], clean[index - 1])
            seen = consistent(flow, optical_flow(clean[index - 1], clean[index]))
            step = warping_error(ab[index : index + 1], ab[index - 1 : index], flow, seen)
            if not (kind == "black frames" and {index, index - 1} & {9, 10, 20}):
                total.append(float(step))
        return float(np.mean(total))

    assert error(film) < 0.6 * error(independent)
    chroma = film.square().sum(dim=1).sqrt().mean() / independent.square().sum(dim=1).sqrt().mean()
    assert chroma > (0.85 if kind in ("grain", "flicker", "scratches") else 0.95)
    found = [index for index, is_cut in enumerate(cuts) if is_cut]
    assert found == {"cut": [13], "black frames": [9, 11, 20, 21]}.get(kind, [])
    assert all(0.5 < light < 2 for light in exposures)


def test_no_colour_crosses_a_cut(vivid_colorizer: Colorizer) -> None:
    frames = 3 * KEY_EVERY  # so that the second shot has its key frames at the same places alone
    first, second = camera_move(frames), camera_move(frames, seed=3)
    together, _cuts, _exposures = colors_of(vivid_colorizer, first + second)
    for index, shot in ((0, first), (frames, second)):
        by_itself, _cuts, _exposures = colors_of(vivid_colorizer, shot)
        assert torch.allclose(together[index : index + frames], by_itself, atol=1e-3)


def test_frames_are_taken_no_faster_than_they_are_given_out(vivid_colorizer: Colorizer) -> None:
    taken = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal taken
        for frame in camera_move(30) * 14:
            taken += 1
            yield frame

    lead = [taken - index for index, _ in enumerate(colorize_frames(vivid_colorizer, frames()))]
    assert taken == 420
    assert max(lead) < 220  # grows with the cores, not with the film


def test_an_error_among_the_frames_is_passed_on(vivid_colorizer: Colorizer) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield from camera_move(20)
        raise OSError("the reel broke")

    threads = torch.get_num_threads()
    with pytest.raises(OSError, match="the reel broke"):
        list(colorize_frames(vivid_colorizer, frames()))
    assert torch.get_num_threads() == threads


@pytest.fixture
def three_threads() -> Iterator[None]:
    """Let torch and OpenCV compute in three threads, as a consumer may have set them."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(3)
    cv2.setNumThreads(3)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def wait_for_cv2_threads(threads: int) -> bool:
    """Wait until the frames that are computed ahead are done."""
    for _ in range(3000):
        if cv2.getNumThreads() == threads:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.usefixtures("three_threads")
def test_an_open_film_leaves_its_consumer_its_threads(vivid_colorizer: Colorizer) -> None:
    first = colorize_frames(vivid_colorizer, camera_move(30))
    next(first)
    assert torch.get_num_threads() == 3
    assert wait_for_cv2_threads(3)
    second = colorize_frames(vivid_colorizer, camera_move(30))
    next(second)
    first.close()
    second.close()
    assert torch.get_num_threads() == 3
    assert cv2.getNumThreads() == 3


@pytest.mark.usefixtures("three_threads")
def test_flow_does_not_depend_on_opencvs_number_of_threads() -> None:
    earlier, later = texture(240, 320, seed=1), texture(240, 320, seed=1).roll((3, 5), dims=(2, 3))
    flow = optical_flow(later, earlier)
    cv2.setNumThreads(1)
    assert torch.equal(flow, optical_flow(later, earlier))


def test_reach_is_what_the_batches_allow() -> None:
    """`film` computes from these how far it must look; a change of one must not go unseen."""
    from vividpast_lib.film.pipeline import BATCH, BATCHES_AROUND

    assert (BATCHES_AROUND - 1) * BATCH < VOTE_RADIUS <= BATCHES_AROUND * BATCH


def test_cdc_is_zero_for_a_still_and_larger_for_changing_colours() -> None:
    random = torch.Generator().manual_seed(0)
    frame = torch.randint(0, 256, (3, 20, 20), generator=random, dtype=torch.uint8)
    still_film = torch.stack([rgb_histograms(frame)] * 6)
    assert color_distribution_consistency(still_film) == 0
    # Two frames without a common value are log 2 apart, at each distance.
    far = torch.stack([rgb_histograms(torch.full((3, 4, 4), value)) for value in range(8)])
    assert color_distribution_consistency(far) == pytest.approx(np.log(2), abs=1e-6)
    little = torch.stack([rgb_histograms(frame // 2 + index) for index in range(6)])
    assert 0 < color_distribution_consistency(little) < np.log(2)


def test_warping_error_follows_the_motion() -> None:
    rgb = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    ab = rgb_to_lab(rgb)[:, 1:]
    flow = torch.zeros(1, 2, 16, 24)
    seen = torch.ones(1, 1, 16, 24, dtype=torch.bool)
    assert warping_error(ab, ab, flow, seen) < 1e-5
    assert warping_error(ab + 3, ab, flow, seen) == pytest.approx(3, abs=1e-4)
    flow[:, 0] = 2.0
    seen[..., -2:] = False
    moved = ab.roll(2, dims=3)  # what is at x was at x + 2
    assert warping_error(ab, moved, flow, seen) < 1e-4
    assert warping_error(ab, moved, 0 * flow, seen) > 5
