"""A photo in, a coloured photo of the same size out.

The network works on a small copy of the lightness. Its ab is enlarged to the photo's size and
joined to the photo's own lightness, strip by strip, so that memory stays bounded.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from PIL import Image
from torch import Tensor

from ..networks.checkpoints import DEFAULT_MODEL, Checkpoint, load_checkpoint, shipped_models
from ..photos.picture import Picture, to_image
from ..photos.picture_reading import from_image, read_picture
from ..runtime.devices import best_device
from ..runtime.errors import VividPastError
from .compose import compose_rgb, lightness_of
from .strokes import Stroke

Photo = str | Path | Image.Image | np.ndarray


class Colorizer:
    """Colorizes photos with one network on one device.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network with its scaling.
    device : str or torch.device
        ``auto``, ``cpu`` or ``cuda``.
    vivid : bool or float
        Answer colours nearly as strong as real photos', not those with the lowest error. A number
        between 0 and 1 lies between the two: `ColorDecoder.interpolate`.

    Raises
    ------
    VividPastError
        If the network has no vivid answer.
    ValueError
        If ``vivid`` lies outside [0, 1].

    Examples
    --------
    >>> from vividpast_lib import Colorizer
    >>> Colorizer.load()("old.jpg").save("new.png")  # doctest: +SKIP
    """

    def __init__(
        self, checkpoint: Checkpoint, device: str | torch.device = "auto", vivid: float = False
    ) -> None:
        if not 0 <= vivid <= 1:
            raise ValueError(f"vivid must be between 0 and 1, but is {vivid}.")
        if vivid and not checkpoint.decoders:
            raise VividPastError(
                f"The model {checkpoint.model or checkpoint.name} has no vivid answer; leave "
                f"--vivid out, or take the model {DEFAULT_MODEL}."
            )
        self.device = best_device(device)
        self.network = checkpoint.network.to(self.device)
        self.scaling = checkpoint.scaling
        self.size = checkpoint.size
        # Several shipped models may share a network.
        shipped = checkpoint.model in shipped_models()
        self.name = checkpoint.model if shipped else checkpoint.name
        self.mean_color = checkpoint.mean_color
        self.vivid = float(vivid)
        self.class_maps = checkpoint.class_maps and checkpoint.class_maps.to(self.device)
        self.decoders = checkpoint.decoders
        self.decoder = self.decoders.get("faithful")
        if self.decoder and vivid:
            self.decoder = self.decoder.interpolate(self.decoders["vivid"], self.vivid)

    @classmethod
    def load(
        cls,
        model: str | Path = DEFAULT_MODEL,
        device: str | torch.device = "auto",
        vivid: float = False,
    ) -> "Colorizer":
        """Load a model by name, or from a file that `vividpast train` wrote.

        Errors are those of `load_checkpoint`, `best_device` and the class.
        """
        return cls(load_checkpoint(model), device, vivid)

    def fingerprint(self) -> str:
        """Hash (SHA-256) of what the colours depend on: weights, scaling, decoder, class maps."""
        info = repr((self.name, self.size, self.scaling, self.decoder))
        # Its old name, so that films that were coloured before still count as done.
        info = info.replace("_scale=", "_spread=")
        if self.network.enlargement != 1:  # all others keep their hash of before
            info += f", {self.network.enlargement}, {self.network.zoom}"
        digest = hashlib.sha256(info.encode())
        weights = self.network.state_dict()
        if self.class_maps:
            segmenter = self.class_maps.segmenter.name
            digest.update(f"{segmenter}, {self.class_maps.encoding}".encode())
            weights |= self.class_maps.state_dict(prefix="class_maps.")
        for key, value in sorted(weights.items()):
            digest.update(key.encode())
            digest.update(value.cpu().numpy().tobytes())
        return digest.hexdigest()

    def __call__(self, photo: Photo, hints: Sequence[Stroke] = ()) -> Image.Image | np.ndarray:
        """Colorize a photo; a colour photo is made grey first.

        Parameters
        ----------
        photo : str, Path, PIL.Image.Image or ndarray
            An array is uint8, uint16, or float in [0, 1], of shape (H, W), (H, W, 1) or
            (H, W, 3).
        hints : sequence of Stroke
            Colours that the photo is to have in some places; things around them follow.

        Returns
        -------
        PIL.Image.Image or ndarray
            For an array, an array (H, W, 3) of its type; else an image of 8 bits a channel,
            upright, with the photo's alpha. `colorize` keeps 16 bits and metadata.

        Raises
        ------
        VividPastError
            If a file can't be read.
        ValueError
            If an array has another shape, type or range.
        """
        if isinstance(photo, np.ndarray):
            return self._colorize_array(photo, hints)
        picture = from_image(photo) if isinstance(photo, Image.Image) else read_picture(photo)
        colored = self.colorize(picture, hints)
        return to_image(colored.values, colored.alpha)

    def colorize(self, picture: Picture, hints: Sequence[Stroke] = ()) -> Picture:
        """Colorize a picture, everything else about it kept; hints as in `__call__`."""
        lightness = lightness_of(picture.values)  # (H, W)
        ab = self.predict_small(lightness)
        return replace(picture, values=compose_rgb(lightness, ab, picture.values.dtype, hints))

    @torch.inference_mode()
    def predict(self, lightness: Tensor) -> Tensor:
        """Run the network.

        Parameters
        ----------
        lightness : Tensor, float, shape (N, 1, H, W)
            L in [0, 100], at a size that the network takes.

        Returns
        -------
        Tensor, shape (N, 2, H, W) or (N, 2, ceil(H/4), ceil(W/4))
            ab in Lab units, on the device of ``lightness``, at the network's own resolution.
        """
        seen = lightness.to(self.device)
        if self.decoder:
            features = self.network.features(self.scaling.scale_lightness(seen))
            logits = self.network.bins(self.decoder.smooth(features, seen))
            ab = self.decoder(logits, self.network.bin_shares)
        else:
            class_maps = [self.class_maps(seen)] if self.class_maps else []
            scaled = self.scaling.scale_lightness(seen)
            ab = self.scaling.unscale_ab(self.network(scaled, *class_maps))
        return ab.to(lightness.device)

    @torch.inference_mode()
    def distribution(self, lightness: Tensor) -> Tensor:
        """Predict how likely each colour is, without a decision for one.

        Parameters
        ----------
        lightness : Tensor, float, shape (N, 1, H, W)
            As in `predict`.

        Returns
        -------
        Tensor, shape (N, Q, ceil(H/4), ceil(W/4))
            Logits over the `ab_bins.bin_centers`, on this colorizer's device. A
            `color_decoder.ColorDecoder` takes colours from them.

        Raises
        ------
        ValueError
            If the network predicts no distribution.
        """
        if not self.network.predicts_bins:
            raise ValueError(
                f"The model {self.name} predicts no distribution of colours; take the model "
                f"{DEFAULT_MODEL}."
            )
        return self.network.distribution(self.scaling.scale_lightness(lightness.to(self.device)))

    def predict_small(self, lightness: Tensor) -> Tensor:
        """Predict ab (1, 2, h, w) for the full-size lightness (H, W), at the network's size."""
        return self.predict(self.small_copy(lightness))

    def small_copy(self, lightness: Tensor) -> Tensor:
        """Resize the full-size lightness (H, W) for the network, to (1, 1, h, w).

        The shorter side is about `seen_side`, rounded to the network's ``multiple``, and less in a
        panorama longer than 1 : 4. Photos are enlarged with a bicubic filter, as training crops
        are, and reduced with a bilinear one, which is softer.
        """
        height, width = lightness.shape
        side = self.seen_side(min(height, width))
        size = network_size(height, width, side, self.network.multiple)
        mode = "bicubic" if network_scale(height, width, side) > 1 else "bilinear"
        small = F.interpolate(lightness[None, None], size=size, mode=mode, antialias=True)
        return small.clamp(0, 100)  # a bicubic filter overshoots

    def seen_side(self, own: int) -> int:
        """Say how long the network sees a photo's shorter side, if it is ``own`` pixels long.

        That is ``enlargement`` times its length, or that of the training crops if those are larger,
        but at most ``zoom`` times that of the training crops: with a ``zoom`` of 1, all photos are
        seen at one size.
        """
        side = self.network.enlargement * max(self.size, own)
        return round(min(side, self.network.zoom * self.size))

    def _colorize_array(self, photo: np.ndarray, hints: Sequence[Stroke]) -> np.ndarray:
        values = photo[..., None] if photo.ndim == 2 else photo
        if values.ndim != 3 or values.shape[2] not in (1, 3) or values.size == 0:
            raise ValueError(f"photo must be (H, W), (H, W, 1) or (H, W, 3), but is {photo.shape}.")
        if values.dtype.kind == "f":
            if not values.max() < 2:  # nor nan; a little above 1 comes from resizing
                raise ValueError("photo must lie in [0, 1] if it is float; divide it by its white.")
            deep = np.round(values.astype(np.float32).clip(0, 1) * 65535).astype(np.uint16)
            return (self.colorize(Picture(deep), hints).values / 65535).astype(photo.dtype)
        if values.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"photo must be uint8, uint16 or float, but is {photo.dtype}.")
        return self.colorize(Picture(values), hints).values


def load_colorizers(
    models: Sequence[str | Path], device: str | torch.device = "auto"
) -> list[Colorizer]:
    """Load models, to compare them: two colorizers of a model with a vivid answer.

    The second is named ``<model> --vivid``. Models of one name are named as in ``models``, so that
    the names tell them apart. Errors are those of `Colorizer.load`.
    """
    loaded = [(str(model), Colorizer.load(model, device)) for model in models]
    names = [colorizer.name for _model, colorizer in loaded]
    colorizers = []
    for model, colorizer in loaded:
        if names.count(colorizer.name) > 1:
            colorizer.name = model
        colorizers.append(colorizer)
        if colorizer.decoder:
            colorizers.append(Colorizer.load(model, device, vivid=True))
            colorizers[-1].name = f"{colorizer.name} --vivid"
    return colorizers


def network_scale(height: int, width: int, side: int) -> float:
    """Factor by which `network_size` resizes a photo, before it rounds."""
    return min(side / min(height, width), (4 * side * side / (height * width)) ** 0.5)


def network_size(height: int, width: int, side: int, multiple: int = 1) -> tuple[int, int]:
    """Height and width of a photo for a network trained on ``side`` x ``side`` crops.

    The shorter side becomes ``side``, but no more pixels than in a panorama of 1 : 4, and no
    side falls below 8 pixels. Both sides are rounded to a ``multiple``.
    """
    scale = network_scale(height, width, side)
    smallest = max(8, multiple)
    rows, columns = (
        max(smallest, multiple * round(length * scale / multiple)) for length in (height, width)
    )
    return rows, columns
