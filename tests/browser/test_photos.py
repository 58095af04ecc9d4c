"""Lab explorer and colorizer in a browser: pixels, and what is read out."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.photos.open import bundled_folder

from .demos import demo, drag, expect_message, lab, message, rgb, source, surface, until_it_changes
from .pages import PATIENCE, download, drop, pixels, upload


@pytest.fixture
def colorizer(demos_page: Page) -> Locator:
    """The colorizer as it opens."""
    part = demo(demos_page, "Photo colorizer")
    part.scroll_into_view_if_needed()
    part.get_by_label("Model").select_option("autoencoder2018")
    expect_message(part, "Coloured by autoencoder2018")
    part.get_by_label("Photo", exact=True).select_option("citrus slices")
    part.get_by_label("Left side").select_option("grey")
    part.get_by_label("Model").select_option("pyramid, ours")
    part.get_by_label("Faithful to vivid").fill("0")  # once it is enabled again
    expect(part.get_by_label("Faithful to vivid")).to_have_attribute("aria-valuetext", "faithful")
    expect_message(part, r"citrus_slices.jpg.*Coloured by pyramid \(faithful\)")
    expect(before(part)).to_have_attribute("alt", re.compile("^citrus_slices.jpg, grey"))
    return part


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of one's own: a disc and stripes, larger than what is shown."""
    y, x = np.mgrid[:600, :900]
    values = np.where((x - 300) ** 2 + (y - 300) ** 2 < 200**2, 200, 60 + x % 120).astype(np.uint8)
    path = tmp_path / "my disc.png"
    Image.fromarray(values).save(path)
    return path


def after(colorizer: Locator) -> Locator:
    return colorizer.locator("img.vp-after")


def before(colorizer: Locator) -> Locator:
    return colorizer.locator("img.vp-before")


def test_a_point_in_the_photo_is_found_in_the_slice(demos_page: Page):
    explorer = demo(demos_page, "Lab explorer")
    photo = surface(explorer, "^Photo")
    slice_ = surface(explorer, "^Slice").get_by_role("img")
    old = slice_.get_attribute("alt") or ""  # not as it opens, if a test before moved it
    place = (0.4, 0.6)
    drag(demos_page, photo, place)
    values = lab(photo.get_by_role("img"))
    height, width = values.shape[:2]
    true = values[int(place[1] * height), int(place[0] * width)]
    expect(slice_).not_to_have_attribute("alt", old)
    shown = [float(each) for each in re.findall(r"-?\d+\.?\d*", slice_.get_attribute("alt") or "")][
        :3
    ]
    assert shown == pytest.approx(true, abs=6)  # a screen pixel beside it is another colour
    x, y = (shown[1] + 110) / 220, (110 - shown[2]) / 220
    picture = lab(slice_)
    there = picture[int(y * picture.shape[0]), int(x * picture.shape[1])]
    assert np.abs(there - shown).max() < 4


def test_the_divider_follows_the_mouse(demos_page: Page, colorizer: Locator):
    frame = colorizer.locator(".vp-divider")
    slider = colorizer.get_by_role("slider", name="Divider")
    for share in (0.2, 0.8):
        drag(demos_page, frame, (0.5, 0.3), (share, 0.4))
        assert float(slider.input_value()) == pytest.approx(100 * share, abs=1)
        seen = pixels(frame).astype(int)[3:100]  # above the handle, below a blended edge
        width = seen.shape[1]
        colored = np.ptp(seen, axis=2).max(axis=0) > 25  # of each column
        line = round(share * width)
        assert not colored[4 : line - 8].any(), "left of it the photo is grey"
        assert colored[line + 8 :].mean() > 0.9, "right of it the photo has colour"


def test_the_models_answer_is_what_the_library_answers(colorizer: Locator):
    photo = rgb(before(colorizer))
    # Grey values of 8 bits tell the lightness but for half a step.
    assert np.abs(rgb(after(colorizer)).astype(int) - Colorizer.load()(photo)).mean() < 1
    assert "orange" in (after(colorizer).get_attribute("alt") or "")


def test_another_model_answers_otherwise_and_says_so(colorizer: Locator):
    old, colors = source(after(colorizer)), rgb(after(colorizer))
    colorizer.get_by_label("Model").select_option("fusion2018")
    expect_message(colorizer, "Coloured by fusion2018")
    until_it_changes(after(colorizer), old)
    assert np.abs(rgb(after(colorizer)).astype(int) - colors).mean() > 5
    expect(colorizer.get_by_label("Faithful to vivid")).to_be_disabled()
    expect(after(colorizer)).to_have_attribute("alt", re.compile("fusion2018"))


def test_vivid_is_stronger(demos_page: Page, colorizer: Locator):
    slider = colorizer.get_by_label("Faithful to vivid")
    faithful = lab(after(colorizer))
    old = source(after(colorizer))
    slider.focus()
    demos_page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "vivid")
    until_it_changes(after(colorizer), old)
    expect_message(colorizer, r"Coloured by pyramid \(vivid\)")
    chroma = [
        np.hypot(each[..., 1], each[..., 2]).mean() for each in (faithful, lab(after(colorizer)))
    ]
    assert chroma[1] > 1.05 * chroma[0]


def test_moves_that_come_fast_end_with_the_last_one(demos_page: Page, colorizer: Locator):
    slider = colorizer.get_by_label("Faithful to vivid")
    slider.focus()
    for key in 4 * ["End", "Home"] + 10 * ["ArrowRight"]:
        demos_page.keyboard.press(key)  # none waits for an answer
    photo = Image.open(bundled_folder() / "citrus_slices.jpg").convert("RGB")
    expected = np.asarray(Colorizer.load(vivid=0.5)(photo))
    for _ in range(PATIENCE // 200):
        if np.array_equal(rgb(after(colorizer)), expected):
            break
        demos_page.wait_for_timeout(200)
    assert np.array_equal(rgb(after(colorizer)), expected)
    expect(slider).to_have_attribute("aria-valuetext", "50% vivid")


def test_the_class_map_is_named_in_words(colorizer: Locator):
    old = source(before(colorizer))
    colorizer.get_by_label("Left side").select_option("class map")
    until_it_changes(before(colorizer), old)
    legend = colorizer.get_by_role("list")
    expect(legend).to_contain_text(re.compile(r"background \d+\.\d%"))


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_photo_of_ones_own(demos_page: Page, colorizer: Locator, photo: Path, way: str):
    photo = photo.rename(photo.with_name(f"{way}.png"))
    if way == "chosen":
        upload(colorizer.get_by_label("Your own photos"), photo)
    else:
        drop(colorizer.locator(".vp-upload"), photo)
    expect_message(colorizer, rf"{way}\.png: 900 x 600 pixels.*Coloured by pyramid")
    name, content = download(colorizer.get_by_role("button", name="Save this photo"))
    assert name == f"{way}_colored.png"
    saved = np.asarray(Image.open(io.BytesIO(content)))
    assert np.array_equal(saved, np.asarray(Colorizer.load()(Image.open(photo))))


def test_several_photos_at_once(colorizer: Locator, photo: Path):
    second = photo.with_name("second.png")
    Image.open(photo).rotate(90, expand=True).save(second)
    upload(colorizer.get_by_label("Your own photos"), photo, second)
    expect_message(colorizer, r"second\.png: 600 x 900 pixels.*Coloured")
    options = colorizer.get_by_label("Photo", exact=True).get_by_role("option").all_inner_texts()
    assert {"my disc.png", "second.png"} <= {option.replace("\xa0", " ") for option in options}
    name, _content = download(colorizer.get_by_role("button", name="Save all"))
    assert name == "colored.zip"


def test_what_is_no_photo_is_said_and_read_out(colorizer: Locator, tmp_path: Path):
    shown = rgb(after(colorizer))
    text = tmp_path / "notes.jpg"
    text.write_text("no photo")
    upload(colorizer.get_by_label("Your own photos"), text)
    expect_message(colorizer, r"^Error: notes\.jpg: is not a photo that can be read; give a JPEG")
    expect(message(colorizer)).to_have_attribute("role", "status")
    assert np.array_equal(rgb(after(colorizer)), shown)


def test_a_file_that_is_too_large_is_refused_at_once(colorizer: Locator, tmp_path: Path):
    large = tmp_path / "huge.tif"
    with large.open("wb") as file:
        file.truncate(101_000_000)
    upload(colorizer.get_by_label("Your own photos"), large)
    expect_message(colorizer, r"^Error: huge\.tif: has 101 MB, but no more than 100 MB")


def test_two_notebooks_do_not_disturb_each_other(open_in_lab, write_notebook):
    cells = ("from vividpast_lib.course.widgets import LabExplorer", "LabExplorer()")
    with (
        open_in_lab(write_notebook("first", *cells)) as first,
        open_in_lab(write_notebook("second", *cells)) as second,
    ):
        sliders = [
            demo(page, "Lab explorer").get_by_role("slider", name="L, lightness")
            for page in (first, second)
        ]
        slices = [
            surface(demo(page, "Lab explorer"), "^Slice").get_by_role("img")
            for page in (first, second)
        ]
        unmoved = rgb(slices[1])
        sliders[0].fill("20")
        expect(slices[0]).to_have_attribute("alt", re.compile("^L 20,"))
        expect(sliders[1]).to_have_value("60")
        sliders[1].fill("90")
        expect(slices[1]).to_have_attribute("alt", re.compile("^L 90,"))
        expect(slices[0]).to_have_attribute("alt", re.compile("^L 20,"))
        assert not np.array_equal(rgb(slices[1]), unmoved)
