"""Finding the demos on a page, and what they show."""

import re

import numpy as np
import torch
from playwright.sync_api import Locator, Page, expect

from vividpast_lib.color.lab import rgb_to_lab

from .pages import own_pixels


def demo(page: Page, name: str) -> Locator:
    """The demo of this name."""
    return page.get_by_role("group", name=name, exact=True)


def message(demo: Locator) -> Locator:
    """The message of a demo; a screen reader reads it out."""
    return demo.locator(".vp-message[role=status]")


def expect_message(demo: Locator, text: str) -> None:
    """Wait until the message of a demo matches a regular expression."""
    expect(message(demo)).to_have_text(re.compile(text))


def surface(demo: Locator, name: str) -> Locator:
    """A picture to point at or to paint on."""
    return demo.get_by_role("application", name=re.compile(name))


def rgb(picture: Locator) -> np.ndarray:
    """Read the pixels of an <img> as uint8 (H, W, 3)."""
    return own_pixels(picture)[..., :3]


def lab(picture: Locator) -> np.ndarray:
    """Read the pixels of an <img> in Lab, (H, W, 3)."""
    values = torch.from_numpy(rgb(picture) / 255).permute(2, 0, 1)
    return rgb_to_lab(values).permute(1, 2, 0).numpy()


def until_it_changes(picture: Locator, old: str) -> None:
    """Wait until an <img> has another source than the one it had."""
    expect(picture).not_to_have_attribute("src", old)


def source(picture: Locator) -> str:
    """Read the source of an <img>, to see that it changes."""
    return picture.get_attribute("src") or ""


def drag(page: Page, on: Locator, *places: tuple[float, float]) -> None:
    """Press at the first place, move over the others, release; shares of width and height."""
    on.scroll_into_view_if_needed()
    box = None
    while (now := on.bounding_box()) != box or box is None:
        box = now
        page.wait_for_timeout(200)  # JupyterLab lays out bit by bit what comes into view
    x, y = places[0]
    on.hover(position={"x": x * box["width"], "y": y * box["height"]})  # nothing lies over it
    page.mouse.down()
    for x, y in places[1:]:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
    page.mouse.up()
