"""A colorizer in, one file out that other programs and languages can run: ONNX."""

import copy
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..runtime.errors import VividPastError
from ..runtime.files import exists, output_file
from .colorizer import Colorizer

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram


USAGE = (
    "lightness: float32 (N, 1, H, W), CIE L of the photos in [0, 100]. The shorter side is their "
    "own, or `size` if that is more, times `enlargement`, but at most `zoom` times `size`, with no "
    "more pixels than in a panorama of 1 : 4; `multiple` divides both sides. Enlarge bicubically "
    "(a = -0.5), reduce bilinearly with antialiasing, and clip to [0, 100]. "
    "ab: float32 (N, 2, h, w), CIE a and b, to be enlarged and joined with the photos' own L."
)


def export_onnx(colorizer: Colorizer, path: Path, force: bool = False) -> None:
    """Write `Colorizer.predict` as one ONNX file, weights inside, whole or not at all.

    Parameters
    ----------
    colorizer : Colorizer
        What answers; its decoder, faithful or vivid, goes into the file.
    path : Path
        A file that ends in ``.onnx``. `USAGE` says what goes in and out; any N, H and W will do.
        Its metadata has ``model``, ``vivid``, ``size``, ``enlargement``, ``multiple``, ``zoom``
        and ``usage``.
    force : bool
        Allow an existing file to be replaced.

    Raises
    ------
    VividPastError
        If the packages of the extra ``export`` are missing, or the file can't be written or
        exists already.
    """
    if path.suffix.lower() != ".onnx":
        raise VividPastError(f"{path}: end the name in .onnx.")
    if exists(path) and not force:
        raise VividPastError(f"{path}: exists already; add --force to replace it.")
    try:
        import onnx  # noqa: F401 - PyTorch's exporter needs both
        import onnxscript  # noqa: F401
    except ImportError:
        raise VividPastError(
            "Exporting needs the packages of the extra `export`: pip install "
            "'vividpast[export]', or in a checkout: pip install -e '.[export]'."
        ) from None
    with output_file(path) as temporary:
        temporary.touch()  # so that a place that can't be written to fails before the long work
        _program(colorizer).save(temporary, external_data=False)


class _Predict(nn.Module):
    """`Colorizer.predict` as a module, in which the exporter finds the weights."""

    def __init__(self, colorizer: Colorizer) -> None:
        super().__init__()
        self.network, self.class_maps = colorizer.network, colorizer.class_maps
        self.colorizer = colorizer

    def forward(self, lightness: Tensor) -> Tensor:
        return self.colorizer.predict(lightness)


def _program(colorizer: Colorizer) -> "ONNXProgram":
    """Trace `Colorizer.predict` on photos of no special size, and translate it."""
    any_size = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about PyTorch's own code
        exported = torch.export.export(
            _Predict(_cpu_copy(colorizer)).eval(),
            (torch.full((2, 1, 133, 170), 50.0),),
            dynamic_shapes=(any_size,),
        )
        program = torch.onnx.export(
            exported,
            input_names=["lightness"],
            output_names=["ab"],
            custom_translation_table={round: _round},
            verbose=False,
        )
    assert program  # None only if PyTorch itself writes the file
    inputs: Any = program.model.graph.inputs
    photos, _, height, width = inputs[0].shape
    program.rename_axes({photos: "N", height: "H", width: "W"})
    program.model.metadata_props.update(
        model=colorizer.name,
        vivid=f"{colorizer.vivid:g}",
        size=str(colorizer.size),
        enlargement=str(colorizer.network.enlargement),
        multiple=str(colorizer.network.multiple),
        zoom=str(colorizer.network.zoom),
        usage=USAGE,
    )
    return program


def _cpu_copy(colorizer: Colorizer) -> Colorizer:
    copied = copy.deepcopy(colorizer)
    copied.device = torch.device("cpu")
    for part in filter(None, (copied.network, copied.class_maps)):
        part.to("cpu")
    return copied


def _round(length: Any, _digits: None = None) -> Any:
    """Round a length of a photo as Python does, to even at a half, which the exporter lacks."""
    from onnxscript import opset18 as op

    return op.Cast(op.Round(length), to=7)  # int64
