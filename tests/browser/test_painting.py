"""Hint painter and fusion explorer in a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from .demos import demo, drag, expect_message, lab, rgb, source, surface, until_it_changes
from .pages import download, upload

PLACE = (0.3, 0.85)


@pytest.fixture
def painter(demos_page: Page) -> Locator:
    """The hint painter without hints."""
    part = demo(demos_page, "Hint painter")
    part.scroll_into_view_if_needed()
    clear = part.get_by_role("button", name="Clear")
    if clear.is_enabled():
        clear.click()
    expect_message(part, "0 hints")
    return part


def photo(painter: Locator) -> Locator:
    return surface(painter, "^Photo").get_by_role("img")


def ab_at(picture: Locator, place: tuple[float, float]) -> np.ndarray:
    values = lab(picture)
    height, width = values.shape[:2]
    return values[int(place[1] * height), int(place[0] * width), 1:]


def paint(page: Page, painter: Locator, *places: tuple[float, float]) -> None:
    """Paint a hint, and wait until it is in the picture."""
    old = source(photo(painter))
    drag(page, surface(painter, "^Photo"), *places)
    until_it_changes(photo(painter), old)


def pick(page: Page, painter: Locator, a: float, b: float) -> None:
    """Choose a colour in the palette."""
    old = source(photo(painter))
    drag(page, surface(painter, "^Colours possible"), ((a + 110) / 220, (110 - b) / 220))
    until_it_changes(photo(painter), old)


def test_a_hint_is_seen_at_its_pixel_and_undone(demos_page: Page, painter: Locator):
    plain = rgb(photo(painter))
    paint(demos_page, painter, PLACE)
    pick(demos_page, painter, 50, 30)
    expect(photo(painter)).to_have_attribute("alt", re.compile("1 hint: red at 30%"))
    assert np.abs(ab_at(photo(painter), PLACE) - (50, 30)).max() < 4  # a pixel of the palette
    old = source(photo(painter))
    painter.get_by_role("button", name="Undo").click()
    expect_message(painter, "0 hints")
    until_it_changes(photo(painter), old)
    assert np.array_equal(rgb(photo(painter)), plain)


def test_a_line_is_a_hint_all_along(demos_page: Page, painter: Locator):
    paint(demos_page, painter, (0.25, 0.85), (0.45, 0.85))
    pick(demos_page, painter, -30, 30)
    for x in (0.25, 0.3, 0.35, 0.4, 0.45):
        assert np.abs(ab_at(photo(painter), (x, 0.85)) - (-30, 30)).max() < 8


def test_a_suggestion_of_the_model_is_taken(demos_page: Page, painter: Locator):
    paint(demos_page, painter, PLACE)
    button = painter.get_by_role("button", name=re.compile(r"%$")).nth(1)
    hue = re.sub(r"^(pale|strong) |, .*", "", button.inner_text())
    old = source(photo(painter))
    button.click()
    until_it_changes(photo(painter), old)
    expect(photo(painter)).to_have_attribute("alt", re.compile(rf"1 hint: .*{hue} at"))


def test_hints_are_saved_and_loaded(demos_page: Page, painter: Locator, tmp_path: Path):
    paint(demos_page, painter, PLACE)
    pick(demos_page, painter, 50, 30)
    painted = rgb(photo(painter))
    name, content = download(painter.get_by_role("button", name="Save hints"))
    assert name == "playground_hints.json"
    (stroke,) = json.loads(content)["strokes"]
    assert stroke["points"][0] == pytest.approx(PLACE, abs=0.01)
    painter.get_by_role("button", name="Clear").click()
    expect_message(painter, "0 hints")
    saved = tmp_path / name
    saved.write_bytes(content)
    old = source(photo(painter))
    upload(painter.get_by_label("Load hints"), saved)
    expect_message(painter, "1 hint")
    until_it_changes(photo(painter), old)
    assert np.array_equal(rgb(photo(painter)), painted)
    saved.write_text("{}")
    upload(painter.get_by_label("Load hints"), saved)
    expect_message(painter, r"^Error: playground_hints\.json: ")


def test_the_fusion_networks_colours_follow_what_is_painted(demos_page: Page):
    explorer = demo(demos_page, "Fusion explorer")
    before, after = (explorer.locator(f"img.vp-{name}") for name in ("before", "after"))
    assert np.array_equal(rgb(before), rgb(after))
    explorer.get_by_label("This is").select_option("person")
    old = source(after)
    drag(demos_page, surface(explorer, "^Class map"), (0.3, 0.5), (0.5, 0.5))
    until_it_changes(after, old)
    expect_message(explorer, r"Where you painted, the colours moved by \d+\.\d Lab units")
    assert (ab_at(after, (0.4, 0.5)) - ab_at(before, (0.4, 0.5)))[0] > 5  # as skin is
    expect(explorer.get_by_role("list")).to_contain_text("person")
    explorer.get_by_role("button", name="Back to the segmenter's map").click()
    expect_message(explorer, "This is what the segmenter sees")
    assert np.array_equal(rgb(before), rgb(after))
