"""Training monitor and film player in a browser: long work is shown, and can be stopped."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from vividpast_lib.film.synthetic import films_folder

from .demos import demo, expect_message, message, rgb, source, surface, until_it_changes
from .pages import PATIENCE, download, upload


@pytest.fixture
def monitor(demos_page: Page) -> Locator:
    """The training monitor; the first test starts it, the next ones find what that has left."""
    part = demo(demos_page, "Training monitor")
    part.scroll_into_view_if_needed()
    return part


@pytest.fixture
def player(demos_page: Page) -> Locator:
    """The film player, with a film that has not been coloured."""
    part = demo(demos_page, "Film player")
    part.scroll_into_view_if_needed()
    menu = part.get_by_label("Film", exact=True)
    menu.select_option("camera moves")
    expect_message(part, "^camera_moves.mp4: 320 x 192.* are shown")
    menu.select_option("old stock")
    expect_message(part, "^old_stock.mp4: 320 x 192.* are shown")
    expect(part.get_by_role("button", name="Colour the film")).to_be_enabled()
    return part


def button(demo: Locator, name: str) -> Locator:
    return demo.get_by_role("button", name=name, exact=True)


def video(player: Locator) -> Locator:
    return player.locator("video")


def test_training_is_shown_paused_and_stopped(demos_page: Page, monitor: Locator) -> None:
    progress = monitor.get_by_role("progressbar", include_hidden=True)
    expect(progress).to_be_hidden()
    curve = monitor.get_by_role("img", name="Plot of the error")
    expect(curve).to_have_attribute("alt", re.compile("grey .*mean colour"))
    old, photos = source(curve), monitor.get_by_role("img").count()
    button(monitor, "Start").click()
    expect(progress).to_be_visible()
    until_it_changes(curve, old)
    colored = monitor.get_by_role("img", name="What it makes of it")
    expect(colored).to_be_visible()
    assert monitor.get_by_role("img").count() == photos + 1
    old = source(colored)
    until_it_changes(colored, old)
    assert np.ptp(rgb(colored), axis=2).max() > 20  # coloured

    button(monitor, "Pause").click()
    expect_message(monitor, "^Paused")
    expect(button(monitor, "Go on")).to_be_enabled()
    words = monitor.locator(".vp-progress span")
    before = words.inner_text()
    assert re.match(r"epoch \d+ of \d+, photo \d+ of 38", before)
    demos_page.wait_for_timeout(1500)
    assert words.inner_text() == before

    button(monitor, "Go on").click()
    expect(words).not_to_have_text(before)
    button(monitor, "Stop").click()
    expect_message(monitor, r"^Stopped in epoch \d+")
    expect(progress).to_be_hidden()
    expect(button(monitor, "Stop")).to_be_disabled()
    expect(button(monitor, "Start again")).to_be_enabled()


def test_a_film_is_cancelled(player: Locator) -> None:
    expect(button(player, "Cancel")).to_be_disabled()
    button(player, "Colour the film").click()
    expect(player.get_by_role("progressbar", name="Colouring the film")).to_be_visible()
    expect(player.locator(".vp-progress span")).to_have_text(
        re.compile(r"^[1-9]\d* of 96 frames of the film, about .* left$")
    )
    button(player, "Cancel").click()
    expect_message(player, "^Cancelled; no more of old_stock.mp4")
    expect(player.get_by_role("progressbar", include_hidden=True)).to_be_hidden()
    expect(button(player, "Download the coloured film")).to_be_disabled()
    expect(button(player, "Colour the film")).to_be_enabled()


def test_a_film_is_coloured_played_compared_and_saved(demos_page: Page, player: Locator) -> None:
    player.get_by_label("Seconds to colour").fill("1")
    grey = _frame(video(player), 0.5)
    half = grey.shape[1] // 2
    assert np.ptp(grey[:, : half - 4], axis=2).mean() < 3
    place = surface(player, "First frame")
    plot = player.get_by_role("img", name="Plot of")
    expect(plot).to_have_attribute("alt", re.compile("lightness at 50 %"))
    button(player, "Colour the film").click()
    # Only once independent frames is coloured, too.
    expect(plot).to_have_attribute(
        "alt", re.compile(r"a and b at 50 %.* 24 frames.*film [\d.]+; independent frames [\d.]+"),
        timeout=2 * PATIENCE,
    )  # fmt: skip
    assert video(player).get_attribute("aria-label") == (
        "The film old stock, at the left in grey, at the right coloured."
    )
    frame = _frame(video(player), 0.5)
    assert np.ptp(frame[:, : half - 4], axis=2).mean() < 3
    assert np.ptp(frame[:, half + 4 :], axis=2).mean() > 10
    # Both halves show the same moment: lightness agrees.
    left, right = (part.mean(axis=2) for part in (frame[:, :half], frame[:, half:]))
    assert np.corrcoef(left.ravel(), right.ravel())[0, 1] > 0.97

    old = source(plot)
    place.focus()
    demos_page.keyboard.press("ArrowLeft")
    until_it_changes(plot, old)
    expect(plot).to_have_attribute("alt", re.compile("at 49 % from the left"))
    name, content = download(button(player, "Download the coloured film"))
    assert name == "old_stock_colored.mp4" and b"ftyp" in content[:32]
    player.get_by_label("Seconds to colour").fill("4")


def test_what_is_no_film_is_said_and_a_film_is_taken(player: Locator, tmp_path: Path) -> None:
    choose = player.get_by_label("Your own short clip")
    notes, mine = tmp_path / "notes.mp4", tmp_path / "mine.mp4"
    notes.write_text("These are notes.")
    mine.write_bytes((films_folder() / "camera_moves.mp4").read_bytes())
    upload(choose, notes)
    expect_message(player, "^Error: notes.mp4: can't be read as a film")
    expect(message(player)).not_to_contain_text("/")
    old = _frame(video(player), 0)
    upload(choose, mine)
    expect_message(player, "^mine.mp4: 320 x 192.* are shown")
    assert np.abs(_frame(video(player), 0) - old.astype(float)).mean() > 10


def _frame(video: Locator, seconds: float) -> np.ndarray:
    """Show a moment of the film that a page plays, and give its pixels, uint8 (H, W, 3)."""
    height, width, values = video.evaluate(
        """async (video, seconds) => {
            while (video.readyState < 2) await new Promise(done => setTimeout(done, 50));
            const shown = new Promise(done => video.addEventListener("seeked", done, {once: true}));
            video.currentTime = seconds + 0.001;
            await shown;
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
            const context = canvas.getContext("2d");
            context.drawImage(video, 0, 0);
            const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
            return [canvas.height, canvas.width, [...data]];
        }""",
        seconds,
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]
