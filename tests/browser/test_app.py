"""The demos as a page without code, for everyone: keyboard, screen reader, zoom, phone."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from .demos import demo, expect_message, lab, rgb, source, surface, until_it_changes
from .pages import tab_to

DEMOS = (
    "Lab explorer",
    "Photo colorizer",
    "Hint painter",
    "Fusion explorer",
    "Training monitor",
    "Film player",
)
# 1280 x 1024 at 400 %, and a small phone.
NARROW = (320, 360)


def test_every_demo_is_there_with_something_to_see(voila_page: Page):
    for name in DEMOS:
        part = demo(voila_page, name)
        part.scroll_into_view_if_needed()
        pictures = part.get_by_role("img")
        expect(pictures.first).to_be_visible()
        for picture in pictures.all():
            assert (picture.get_attribute("alt") or "").strip(), name
            size = picture.evaluate("each => each.decode().then(() => each.naturalWidth)")
            assert size > 50, name
            assert np.ptp(rgb(picture)) > 50, name  # not blank


def test_it_shows_no_code(voila_page: Page):
    assert voila_page.get_by_text("from vividpast_lib").count() == 0


def test_axe_finds_nothing_serious(voila_page: Page, axe):
    assert axe(voila_page) == []


def test_every_control_has_a_name_for_a_screen_reader(voila_page: Page):
    for name in DEMOS:
        snapshot = demo(voila_page, name).aria_snapshot()
        controls = re.findall(
            r"- (slider|button|combobox|checkbox|application|textbox)(.*)", snapshot
        )
        assert controls, name
        assert [kind for kind, rest in controls if not re.match(r'\s+["\']', rest)] == [], snapshot


@pytest.mark.parametrize("width", NARROW)
def test_nothing_is_cut_off_on_a_narrow_page(voila_page: Page, width: int):
    before = voila_page.viewport_size
    try:
        voila_page.set_viewport_size({"width": width, "height": 256})
        voila_page.wait_for_function(f"document.documentElement.clientWidth <= {width}")
        wide = voila_page.evaluate(
            """() => [...document.querySelectorAll(".vividpast, .vividpast *")]
                .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
                .map(each => each.outerHTML.slice(0, 120))"""
        )
        assert wide == []
        assert voila_page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        voila_page.set_viewport_size(before)


def test_by_keyboard_alone(demos_page: Page):
    """Each press goes to what has the focus; no mouse, no script."""
    keys = demos_page.keyboard
    explorer = demo(demos_page, "Lab explorer")
    demos_page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")

    lightness = tab_to(demos_page, "slider", "L, lightness")
    outline = lightness.evaluate("each => getComputedStyle(each).outlineStyle")
    assert outline != "none"  # the focus is seen
    picture = surface(explorer, "Slice").get_by_role("img")
    for _ in range(5):
        keys.press("ArrowRight")
    expect(picture).to_have_attribute("alt", re.compile("^L 65,"))

    tab_to(demos_page, "application", "Slice of sRGB's colours")
    keys.press("ArrowLeft")
    expect(explorer.get_by_role("slider", name="a, green to red")).to_have_value("38")

    colorizer = demo(demos_page, "Photo colorizer")
    tab_to(demos_page, "combobox", "Model")
    keys.press("ArrowDown")
    expect_message(colorizer, "Coloured by autoencoder")
    keys.press("ArrowUp")
    expect_message(colorizer, "Coloured by pyramid")
    vivid = tab_to(demos_page, "slider", "Faithful to vivid")
    keys.press("End")
    expect(vivid).to_have_attribute("aria-valuetext", "vivid")
    divider = tab_to(demos_page, "slider", "Divider between before and after")
    keys.press("Home")
    expect(divider).to_have_attribute("aria-valuetext", re.compile("^0 %"))

    painter = demo(demos_page, "Hint painter")
    photo = surface(painter, "Photo").get_by_role("img")
    old = source(photo)
    tab_to(demos_page, "application", "Photo: paint a hint")
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        keys.press(key)
    expect_message(painter, "1 hint")
    until_it_changes(photo, old)
    tab_to(demos_page, "application", "Colours possible at this lightness")
    for _ in range(20):
        keys.press("ArrowRight")
    expect(photo).to_have_attribute("alt", re.compile("1 hint: (strong )?(red|pink|violet)"))
    height, width = rgb(photo).shape[:2]
    painted = lab(photo)[int(0.52 * height), width // 2]
    assert painted[1] > 20
    tab_to(demos_page, "button", "Undo")
    keys.press("Enter")
    expect_message(painter, "0 hints")
