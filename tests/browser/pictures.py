"""Make the pictures of the demos in docs/images from the running demos: `make pictures`."""

import io
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from .conftest import CHROMIUM, DEMOS, FLAGS, HOW_TO_GET_IT
from .demos import demo, drag, expect_message, source, surface, until_it_changes
from .pages import PATIENCE, run_voila
from .servers import ROOT, voila

IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1000, 1300


def main() -> None:
    """Write all pictures."""
    with app() as page:
        for name, (title, prepare) in SHOTS.items():
            part = demo(page, title)
            if prepare:
                prepare(part)
            shot(part).save(IMAGES / f"demo_{name}.webp", quality=80)
        frames = list(hints(page))
        first, *rest = frames
        path = IMAGES / "demo_hints.webp"
        first.save(path, save_all=True, append_images=rest, duration=1200, loop=0, quality=75)
    for path in sorted(IMAGES.glob("demo_*.webp")):
        print(f"{path.relative_to(ROOT)} ({path.stat().st_size / 1e3:.0f} kB)")


@contextmanager
def app() -> Iterator[Page]:
    """Open the demos as `make app` shows them."""
    if CHROMIUM is None:
        raise SystemExit(f"The pictures can't be made: {HOW_TO_GET_IT}.")
    with (
        tempfile.TemporaryDirectory() as home,
        voila(DEMOS, Path(home)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE)
        run_voila(page, server.url + "/")
        yield page
        browser.close()


def shot(part: Locator) -> Image.Image:
    """Photograph a demo, with the keyboard's focus elsewhere."""
    part.page.evaluate("document.activeElement.blur()")
    part.page.mouse.move(0, 0)
    return Image.open(io.BytesIO(part.screenshot())).convert("RGB")


def paint_a_dog(explorer: Locator) -> None:
    """Say that one of the dogs is a person."""
    drag(explorer.page, surface(explorer, "^Class map"), (0.35, 0.5), (0.6, 0.5))
    expect_message(explorer, "Where you painted")


def train(monitor: Locator) -> None:
    """Train to the end."""
    monitor.get_by_role("button", name="Start", exact=True).click()
    expect_message(monitor, "^Done")


def color_a_film(player: Locator) -> None:
    """Colour a film, and show a moment of it."""
    player.get_by_label("Film", exact=True).select_option("camera moves")
    expect_message(player, "^camera_moves.mp4")
    player.get_by_role("button", name="Colour the film", exact=True).click()
    plot = player.get_by_role("img", name="Plot of")
    expect(plot).to_have_attribute("alt", re.compile("independent frames"))
    player.locator("video").evaluate(
        """video => new Promise(shown => {
            video.addEventListener("seeked", shown, {once: true});
            video.currentTime = 1;
        })"""
    )


#: Picture by picture: which demo, and what is done with it first.
SHOTS: dict[str, tuple[str, Callable[[Locator], None] | None]] = {
    "lab": ("Lab explorer", None),
    "colorizer": ("Photo colorizer", None),
    "fusion": ("Fusion explorer", paint_a_dog),
    "training": ("Training monitor", train),
    "film": ("Film player", color_a_film),
}


def hints(page: Page) -> Iterator[Image.Image]:
    """Paint two hints, and choose their colours."""
    painter = demo(page, "Hint painter")
    photo = surface(painter, "^Photo").get_by_role("img")
    yield shot(painter)
    for stroke, a, b in (
        (((0.2, 0.8), (0.4, 0.85)), 45, 15),
        (((0.82, 0.8), (0.95, 0.85)), -8, -44),
    ):
        old = source(photo)
        drag(page, surface(painter, "^Photo"), *stroke)
        until_it_changes(photo, old)
        yield shot(painter)
        old = source(photo)
        drag(page, surface(painter, "^Colours possible"), ((a + 110) / 220, (110 - b) / 220))
        until_it_changes(photo, old)
        expect_message(painter, re.escape("hint"))
        yield shot(painter)


if __name__ == "__main__":
    main()
