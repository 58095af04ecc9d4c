"""Hint painter and fusion explorer without a browser."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.demos import lab_of, pixels, send
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.compose import lightness_of
from vividpast_lib.colorize.strokes import Stroke, hints_from_json, hints_to_json
from vividpast_lib.course.widgets import (
    FusionExplorer,
    HintPainter,
    fusion_explorer,
    hint_painter,
    lab_explorer,
)
from vividpast_lib.course.widgets.fusion_explorer import ClassStroke
from vividpast_lib.course.widgets.parts import png
from vividpast_lib.course.widgets.photo_chooser import read_bytes
from vividpast_lib.course.widgets.photo_colorizer import open_colorizer
from vividpast_lib.networks.class_maps import UNSEEN, paint_class
from vividpast_lib.networks.voc import VOC_CLASSES

PERSON, DOG = VOC_CLASSES.index("person"), VOC_CLASSES.index("dog")


# HintPainter


@pytest.fixture(scope="module")
def painter() -> HintPainter:
    return HintPainter()


@pytest.fixture
def demo(painter) -> HintPainter:
    """The demo as it opens; making one anew takes seconds."""
    painter.wait()
    painter._history.clear()
    painter._ab, painter._point = (0.0, 0.0), (0.5, 0.5)
    painter.chooser.menu.value = "playground.jpg"
    painter.vivid.value, painter.outlines.value, painter.radius.value = 0, False, 1.5
    painter._show()
    return painter.wait()


def stroke(demo: HintPainter, *points: tuple[float, float]) -> None:
    send(demo.stage, {"type": "stroke", "points": [list(point) for point in points]})
    demo.wait()


def pick(demo: HintPainter, a: float, b: float) -> None:
    demo.palette.point = lab_explorer.point_of(a, b)
    demo.wait()


def ab_at(demo: HintPainter, x: float, y: float) -> np.ndarray:
    picture = pixels(demo.stage.picture)
    height, width = picture.shape[:2]
    return lab_of(picture)[int(y * height), int(x * width), 1:]


def test_it_opens_with_the_models_answer_and_suggestions(demo):
    expected = Colorizer.load()(demo.chooser.small())
    assert (pixels(demo.stage.picture) == expected).all()
    assert demo.palette.picture
    shown = [button for button in demo.suggestions if button.layout.display != "none"]
    assert len(shown) >= 2
    assert all("%" in button.description for button in shown)


def test_a_hint_has_its_colour_where_it_is_and_spreads_around_it(demo):
    far = ab_at(demo, 0.95, 0.05)
    near = ab_at(demo, 0.35, 0.8)
    stroke(demo, (0.3, 0.8))
    pick(demo, 50, 30)
    assert np.abs(ab_at(demo, 0.3, 0.8) - (50, 30)).max() < 2
    assert ab_at(demo, 0.35, 0.8)[0] > near[0] + 10
    assert np.abs(ab_at(demo, 0.95, 0.05) - far).max() < 3
    assert "1 hint: red at 30%" in demo.stage.alt


def test_the_next_hint_has_the_colour_of_the_last_and_leaves_it_alone(demo):
    stroke(demo, (0.3, 0.8))
    pick(demo, 50, 30)
    stroke(demo, (0.8, 0.8))
    pick(demo, -30, 20)
    assert [each.ab for each in demo.strokes] == [(50, 30), (-30, 20)]
    assert np.abs(ab_at(demo, 0.3, 0.8) - (50, 30)).max() < 2


def test_undo_takes_back_what_was_done_last_also_a_clear(demo):
    empty = demo.stage.picture
    assert demo.undo.disabled
    stroke(demo, (0.3, 0.8))
    one = demo.stage.picture
    stroke(demo, (0.6, 0.8), (0.7, 0.9))
    demo.clear.click()
    assert demo.wait().stage.picture == empty
    assert demo.clear.disabled
    demo.undo.click()
    demo.undo.click()
    assert demo.wait().stage.picture == one
    demo.undo.click()
    assert demo.wait().stage.picture == empty
    assert demo.undo.disabled


def test_each_photo_keeps_its_hints(demo):
    stroke(demo, (0.3, 0.8))
    demo.chooser.menu.value = "koala.jpg"
    assert demo.wait().strokes == []
    demo.chooser.menu.value = "playground.jpg"
    assert len(demo.wait().strokes) == 1


def test_another_photo_of_the_same_name_has_no_hints_of_the_first(painter, scene):
    demo = painter
    first, second = (png(Image.fromarray(each)) for each in (scene, scene[::-1]))
    demo.chooser._add("a.png", first, read_bytes("a.png", first))
    stroke(demo, (0.3, 0.8))
    demo.chooser._add("a.png", second, read_bytes("a.png", second))
    assert demo.wait().strokes == [] and demo.undo.disabled
    demo.chooser._add("a.png", first, read_bytes("a.png", first))
    assert len(demo.wait().strokes) == 1


def test_the_palette_is_that_of_the_lightness_of_the_hint(demo):
    stroke(demo, (0.3, 0.8))
    lightness = lightness_of(demo.chooser.small())
    here = lightness[int(0.8 * lightness.shape[0]), int(0.3 * lightness.shape[1])].item()
    assert f"L {round(here, 1):g}" in demo.palette.alt
    assert (pixels(demo.palette.picture) == np.asarray(lab_explorer.render(here, 0, 0, 221))).all()


def test_a_colour_that_is_not_possible_there_becomes_the_nearest_that_is(demo):
    stroke(demo, (0.3, 0.8))
    pick(demo, -100, 100)
    a, b = demo.strokes[-1].ab
    assert a == pytest.approx(-b, abs=0.2)
    assert 10 < b < 90
    assert demo.palette.point == pytest.approx(lab_explorer.point_of(a, b), abs=1e-3)
    assert "outside" not in demo.palette.alt


def test_suggestions_are_the_models_and_possible_there(demo):
    prepared = hint_painter.prepare(demo.chooser.small(), open_colorizer("pyramid"))
    found = hint_painter.suggest(prepared, (0.3, 0.8))
    lightness = prepared.lightness_at((0.3, 0.8))
    for (a, b), _share in found:
        assert not lab_explorer.outside(lightness, 0.99 * a, 0.99 * b)
    assert sum(share for _ab, share in found) == pytest.approx(1, abs=1e-3)
    stroke(demo, (0.3, 0.8))
    demo.suggestions[1].click()
    demo.wait()
    assert demo.strokes[-1].ab == pytest.approx(found[1][0], abs=1e-4)


def test_hints_are_saved_and_loaded(demo, monkeypatch):
    saved = []
    monkeypatch.setattr(demo.save_hints, "deliver", lambda *file: saved.append(file))
    stroke(demo, (0.3, 0.8), (0.4, 0.85))
    pick(demo, 50, 30)
    painted, strokes = demo.stage.picture, demo.strokes
    send(demo.save_hints, {"type": "wanted"})
    name, content, _mime = saved[0]
    assert name == "playground_hints.json"
    assert hints_from_json(content.decode()) == strokes
    demo.clear.click()
    demo.wait()
    load(demo, content)
    assert demo.strokes == strokes
    assert demo.stage.picture == painted


def load(demo: HintPainter, content: bytes) -> None:
    send(demo.load_hints, {"type": "begin", "name": "my.json", "size": len(content)})
    send(demo.load_hints, {"type": "piece"}, content)
    send(demo.load_hints, {"type": "end"})
    demo.wait()


def test_a_hint_at_the_last_corner_shows_its_colour_and_suggestions(demo):
    load(demo, hints_to_json([Stroke((20.0, 30.0), ((1.0, 1.0),), 0.02)]).encode())
    assert not demo.message.is_error
    assert "1 hint: orange at 100% from the left, 100% from the top" in demo.stage.alt
    lightness = lightness_of(demo.chooser.small())[-1, -1].item()
    assert f"L {round(lightness, 1):g}" in demo.palette.alt


def test_after_loading_the_palette_shows_the_loaded_hint(demo):
    stroke(demo, (0.3, 0.8))
    load(demo, hints_to_json([Stroke((10.0, 20.0), ((0.5, 0.3),), 0.02)]).encode())
    assert demo.palette.point == pytest.approx(lab_explorer.point_of(10, 20))
    height, width = demo.chooser.small().shape[:2]
    lightness = lightness_of(demo.chooser.small())[int(0.3 * height), width // 2].item()
    assert f"L {round(lightness, 1):g}, a 10, b 20" in demo.palette.alt


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b'{"hints": 1, "strokes": [{}]}'])
def test_hints_that_are_none_are_said_and_change_nothing(demo, content):
    stroke(demo, (0.3, 0.8))
    strokes = demo.strokes
    load(demo, content)
    assert demo.message.is_error
    assert demo.message.text.startswith("my.json: ")
    assert demo.strokes == strokes


def test_what_is_saved_at_full_size_has_the_hints(demo, monkeypatch, scene):
    saved = []
    monkeypatch.setattr(demo.save, "deliver", lambda *file: saved.append(file))
    stroke(demo, (0.3, 0.8))
    pick(demo, 50, 30)
    send(demo.save, {"type": "wanted"})
    demo.wait()
    whole = demo.chooser.read()
    assert (pixels(saved[0][1]) == Colorizer.load().colorize(whole, demo.strokes).values).all()


def test_outlines_leave_the_hint_itself_as_it_is():
    values = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    prepared = hint_painter.prepare(values, open_colorizer("pyramid"))
    strokes = [Stroke((20, 20), ((0.5, 0.5),), 0.1)]
    plain = np.asarray(hint_painter.render(prepared, strokes))
    outlined = np.asarray(hint_painter.render(prepared, strokes, outlines=True))
    assert (plain[32, 48] == outlined[32, 48]).all()
    changed = (plain != outlined).any(axis=2)
    assert 20 < changed.sum() < 80
    assert set(np.unique(outlined[changed])) <= {0, 255}


# FusionExplorer


@pytest.fixture(scope="module")
def explorer() -> FusionExplorer:
    return FusionExplorer()


def test_a_painted_class_is_told_and_the_rest_stays():
    logits = torch.randn(1, 21, 4, 5)
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[1, 2] = True
    largest = torch.arange(21.0)
    painted = paint_class(logits, mask, PERSON, largest)
    assert torch.equal(painted[..., ~mask], logits[..., ~mask])
    assert painted[0, PERSON, 1, 2] == PERSON
    assert (painted[0, :PERSON, 1, 2] == UNSEEN).all()
    unsure = paint_class(logits, mask, PERSON, largest, confidence=0)
    assert (unsure[0, :, 1, 2] == UNSEEN).all()


def test_without_paint_both_sides_are_the_models_own_answer(explorer):
    values = explorer.chooser.small("two_brown_dogs.jpg")
    model = open_colorizer("fusion2018")
    answer = fusion_explorer.render(values, model, [])
    assert (np.asarray(answer.before) == np.asarray(answer.after)).all()
    assert (np.asarray(answer.before) == model(values)).all()
    assert answer.inside is None
    assert answer.outside == 0


def test_colours_follow_the_painted_class_where_it_was_painted(explorer):
    values = explorer.chooser.small("two_brown_dogs.jpg")
    painted = [ClassStroke(PERSON, [(0.3, 0.5), (0.5, 0.5)], 0.1)]
    answer = fusion_explorer.render(values, open_colorizer("fusion2018"), painted)
    assert answer.inside > 5 > 10 * answer.outside
    assert answer.shares["person"] > 0.03
    height, width = values.shape[:2]
    lab = lab_of(np.asarray(answer.after)) - lab_of(np.asarray(answer.before))
    assert lab[height // 2, int(0.4 * width), 1] > 5  # redder, as skin is
    assert "where you painted" in answer.summary().lower()
    assert "elsewhere" in answer.summary()


def test_later_paint_covers_earlier(explorer):
    values = explorer.chooser.small("two_brown_dogs.jpg")
    painted = [ClassStroke(PERSON, [], 0.1), ClassStroke(DOG, [], 0.1)]
    answer = fusion_explorer.render(values, open_colorizer("fusion2018"), painted)
    assert answer.shares == {"dog": 1.0}
    assert answer.outside is None


def test_the_demo_paints_undoes_and_names_the_classes(explorer):
    explorer.classes.value = "person"
    before = explorer.divider.after
    send(explorer.stage, {"type": "stroke", "points": [[0.3, 0.5], [0.5, 0.5]]})
    explorer.wait()
    assert explorer.divider.after != before
    assert "person" in explorer.legend.value
    assert "person" in explorer.stage.alt
    assert not explorer.undo.disabled
    explorer.fill.click()
    explorer.wait()
    assert "person 100%" in explorer.stage.alt
    explorer.undo.click()
    explorer.undo.click()
    assert explorer.wait().divider.after == before
    assert explorer.undo.disabled
