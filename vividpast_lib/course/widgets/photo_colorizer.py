"""Colorize photos: before and after, model, faithful to vivid, class map, download."""

import io
import tempfile
import threading
import time
import zipfile
from collections.abc import Container, Sequence
from itertools import chain, count
from pathlib import Path

import numpy as np
from ipywidgets import HTML, Button, Dropdown
from PIL import Image

from ...colorize.colorizer import Colorizer
from ...colorize.compose import lightness_of, to_gray
from ...networks.checkpoints import DEFAULT_MODEL, shipped_models
from ...networks.class_map_pictures import tint_classes
from ...networks.segmenters import segment_photo
from ...networks.voc import VOC_CLASSES, voc_palette
from ...photos.picture import Picture
from ...photos.picture_writing import write_picture
from .demo import Demo, checkpoint, on_change, segmenter
from .latest_job_runner import LatestJobRunner
from .parts import Divider, Download, Progress, Slider, png, row
from .photo_chooser import PhotoChooser
from .words import tones

#: Choices for the left side of the divider.
BEFORE = ("grey", "original", "class map")


class PhotoColorizer(Demo):
    """Choose or upload photos, and colour them.

    Examples
    --------
    >>> from vividpast_lib.course.widgets import PhotoColorizer
    >>> PhotoColorizer()  # doctest: +SKIP
    """

    def __init__(self) -> None:
        super().__init__()
        self.chooser = PhotoChooser(self._show, self.message, "citrus_slices.jpg")
        others = [name for name in shipped_models() if name != DEFAULT_MODEL]
        self.model = Dropdown(
            options=[(f"{DEFAULT_MODEL}, ours", DEFAULT_MODEL), *((each, each) for each in others)],
            description="Model",
        )
        self.vivid = Slider(label="Faithful to vivid", step=5, text="faithful")
        self.before = Dropdown(options=BEFORE, description="Left side")
        self.divider = Divider()
        self.legend = HTML()
        self.save = Download(self._save_one, label="Save this photo at full size")
        self.save_all = Download(self._save_all, label="Save all uploaded photos", disabled=True)
        self.cancel = Button(description="Cancel", disabled=True)
        self.progress = Progress(label="Colouring at full size")
        self._saving = LatestJobRunner(self._on_error)
        self._cancelled = threading.Event()
        self.set_layout(
            self.chooser,
            row(self.model, self.vivid, self.before),
            self.divider,
            self.legend,
            row(self.save, self.save_all, self.cancel, self.progress),
        )
        on_change(self._show, self.model, self.vivid, self.before)
        self.cancel.on_click(lambda _button: self._cancelled.set())
        self._show()
        self.wait()

    def static_preview(self) -> tuple[Image.Image, str]:
        """Draw both sides of the divider."""
        before, after = (
            Image.open(io.BytesIO(each)) for each in (self.divider.before, self.divider.after)
        )
        at = round(after.width * self.divider.position / 100)
        after.paste(before.crop((0, 0, at, before.height)))
        after.paste("white", (at - 2, 0, at + 2, after.height))
        return after, (
            f"Colorizer: the photo {self.chooser.menu.label}, left of a divider {self.before.value}"
            f", right of it coloured by {self.model.value}."
        )

    def _show(self) -> None:
        model, share = self.model.value, self.vivid.value / 100
        can_be_vivid = bool(checkpoint(model).decoders)
        self.vivid.disabled = not can_be_vivid
        self.vivid.text = vivid_text(share) if can_be_vivid else f"{model} has one answer only"
        self.save_all.disabled = not self.chooser.uploaded
        name, before = self.chooser.name, self.before.value

        def job() -> None:
            started = time.perf_counter()
            picture, values = self.chooser.read(name), self.chooser.small(name)
            colorizer = open_colorizer(model, share if can_be_vivid else 0)
            left, right, shares = render(values, colorizer, before)
            with self.divider.hold_sync():
                self.divider.before, self.divider.after = png(left), png(right)
                self.divider.before_name, self.divider.after_name = before, model
                self.divider.before_alt = f"{name}, {before}: {tones(np.asarray(left))}."
                self.divider.after_alt = f"{name}, {model}: {tones(np.asarray(right))}."
            self.legend.value = legend_html(shares)
            height, width = picture.values.shape[:2]
            info = [f"{name}: {width} x {height} pixels", *picture.notes]
            if picture.is_color:
                info.append("a colour photo, made grey first")
            seconds = time.perf_counter() - started
            by = f"{model} ({vivid_text(share)})" if can_be_vivid else model
            self.message.show(f"{', '.join(info)}. Coloured by {by} in {seconds:.1f} s.")

        self.run_in_background(job)

    def _save_one(self) -> None:
        self._save([self.chooser.name], self.save)

    def _save_all(self) -> None:
        self._save(list(self.chooser.uploaded), self.save_all)

    def _save(self, names: Sequence[str], button: Download) -> None:
        """Colour photos at their full size, beside the page, and have the browser save them."""
        model, share = self.model.value, 0 if self.vivid.disabled else self.vivid.value / 100

        def job() -> None:
            colorizer = open_colorizer(model, share)
            files: dict[str, bytes] = {}
            for done, name in enumerate(names):
                self.progress.value = done / len(names)
                self.progress.text = f"{done + 1} of {len(names)}: {name}"
                self.progress.running = True
                files[copy_name(name, files)] = self._colored(colorizer, name)
                if self._cancelled.is_set():
                    self.message.show("Cancelled; nothing was saved.")
                    return
            if len(names) == 1:
                name, content = files.popitem()
                button.deliver(name, content, "image/png")
            else:
                name, content = "colored.zip", zipped(files)
                button.deliver(name, content, "application/zip")
            self.message.show(f"{name} ({len(content) / 1e6:.1f} MB) goes to your downloads.")

        def with_buttons() -> None:
            self._cancelled.clear()
            self.cancel.disabled = False
            try:
                job()
            finally:
                self.cancel.disabled = True
                self.progress.running = False

        self._saving(with_buttons)

    def _colored(self, colorizer: Colorizer, name: str) -> bytes:
        picture = self.chooser.read(name)
        return b"" if self._cancelled.is_set() else as_png(colorizer.colorize(picture))

    def wait(self) -> "PhotoColorizer":
        """Wait until all jobs are done."""
        self.chooser.wait()
        super().wait()
        self._saving.wait()
        return self


def open_colorizer(model: str, vivid: float = 0.0) -> Colorizer:
    """Open a model, between faithful (0) and vivid (1), with the network that all demos share."""
    colorizer = Colorizer(checkpoint(model), vivid=vivid)
    colorizer.name = model
    return colorizer


def render(
    values: np.ndarray, colorizer: Colorizer, before: str = "grey"
) -> tuple[Image.Image, Image.Image, dict[str, float]]:
    """Colour a photo, and draw the picture left of the divider.

    Parameters
    ----------
    values : ndarray, uint8, shape (H, W, 3)
        The photo; its colours are used for "original" alone.
    colorizer : vividpast_lib.colorize.colorizer.Colorizer
        The model.
    before : {"grey", "original", "class map"}
        Choice for the left side of the divider.

    Returns
    -------
    before, after : PIL.Image.Image, mode RGB, W x H
        The class map is tinted over the grey photo, with names.
    shares : dict of float
        {class: share of the photo}, largest first; empty without a class map.
    """
    after = Image.fromarray(colorizer.colorize(Picture(values)).values)
    shares: dict[str, float] = {}
    if before == "original":
        return Image.fromarray(values), after, shares
    grey = Image.fromarray(to_gray(values))
    if before == "class map":
        class_map = segment_photo(segmenter(), lightness_of(values))
        grey, shares = tint_classes(grey, class_map)
    return grey, after, shares


def legend_html(shares: dict[str, float]) -> str:
    """Make HTML of the classes: patch, name and share of each."""
    colors = voc_palette()
    items = []
    for name, share in shares.items():
        number = VOC_CLASSES.index(name)
        paint = "rgb({} {} {})".format(*colors[number]) if number else "none"
        patch = f'<span class="vp-swatch" style="background: {paint}"></span>'
        items.append(f"<li>{patch}{name} {share:.1%}</li>")
    return f'<ul class="vp-legend">{"".join(items)}</ul>' if items else ""


def vivid_text(share: float) -> str:
    """Write the strength of the colours, from 0 to 1, in words."""
    return {0.0: "faithful", 1.0: "vivid"}.get(share, f"{share:.0%} vivid")


def as_png(picture: Picture) -> bytes:
    """Encode a picture as a PNG file, 16 bits and metadata kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo.png")
        write_picture(picture, path)
        return path.read_bytes()


def copy_name(name: str, taken: Container[str]) -> str:
    """Name the coloured copy of a photo; with its suffix and a number if that name is taken."""
    stem, suffix = Path(name).stem, Path(name).suffix[1:]
    stems = chain([stem, f"{stem}_{suffix}"], (f"{stem}_{suffix}_{number}" for number in count(2)))
    return next(each for each in (f"{stem}_colored.png" for stem in stems) if each not in taken)


def zipped(files: dict[str, bytes]) -> bytes:
    """Put files into a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
