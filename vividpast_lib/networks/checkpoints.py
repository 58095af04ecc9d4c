"""Networks <-> safetensors files, with what is needed to use them in the file's metadata."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from ..color.color_decoder import ColorDecoder
from ..color.scaling import SCALINGS, Scaling
from ..runtime.errors import VividPastError
from ..runtime.files import atomic_write
from .class_maps import ClassMaps
from .registry import NETWORKS, WITH_CLASS_MAPS
from .segmenters import load_segmenter

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
DEFAULT_MODEL = "pyramid"


@dataclass
class Checkpoint:
    """A network and how to feed it.

    Parameters
    ----------
    network : nn.Module
        Scaled lightness in, scaled ab out; fusion networks also take class maps.
    name : str
        Its key in `models.NETWORKS`.
    scaling : Scaling
        Between Lab units and the network.
    size : int
        Side of the square photos that it was trained on, in pixels.
    mean_color : tuple of float
        Mean ab of its training photos in Lab units: the trivial colorizer that it must beat.
    class_maps : ClassMaps, optional
        What it is given besides the lightness, if it takes class maps.
    readings : dict of Reading
        ``faithful`` and ``vivid``: how its distribution is read, if it predicts one.
    """

    network: nn.Module
    name: str
    scaling: Scaling
    size: int
    mean_color: tuple[float, float]
    class_maps: ClassMaps | None = None
    decoders: dict[str, ColorDecoder] = field(default_factory=dict)


def shipped_models() -> list[str]:
    """Names of the models that come with the project."""
    return sorted(file.stem for file in WEIGHTS_FOLDER.glob("*.safetensors"))


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a network's weights, whole or not at all; a segmenter is named, not written.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network, with a name and a scaling from `models.NETWORKS` and `lab.SCALINGS`.
    path : Path
        Where to.
    """
    weights = {
        key: value.detach().cpu().contiguous()
        for key, value in checkpoint.network.state_dict().items()
    }
    if checkpoint.name == "pyramid":  # half precision: half the file, the same colours
        weights = {
            key: value.half() if key.endswith((".weight", ".bias")) else value
            for key, value in weights.items()
        }
    facts: dict[str, object] = {
        "network": checkpoint.name,
        "scaling": next(key for key, known in SCALINGS.items() if known == checkpoint.scaling),
        "size": checkpoint.size,
        "mean_color": checkpoint.mean_color,
    }
    if checkpoint.class_maps:
        facts["class_maps"] = {
            "segmenter": checkpoint.class_maps.segmenter.name,
            "encoding": checkpoint.class_maps.encoding,
            "logit_max": checkpoint.class_maps.logit_max.tolist(),
        }
    if checkpoint.decoders:
        facts["readings"] = {key: asdict(each) for key, each in checkpoint.decoders.items()}
    # One entry: safetensors writes several in random order, and equal weights in unequal files.
    metadata = {"checkpoint": json.dumps(facts)}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(weights, metadata))  # save_file would hide it from others


def load_checkpoint(model: str | Path = DEFAULT_MODEL) -> Checkpoint:
    """Read a network, in evaluation mode, on the CPU.

    Parameters
    ----------
    model : str or Path
        A shipped model's name, or a file that `save_checkpoint` wrote.

    Returns
    -------
    Checkpoint

    Raises
    ------
    VividPastError
        If there is no such model, or the file is none of ours.
    """
    path = Path(model)
    if str(model) in shipped_models():
        path = WEIGHTS_FOLDER / f"{model}.safetensors"
    elif not path.is_file():
        raise VividPastError(
            f"{model}: is neither a model file nor one of the models that come with the "
            f"project ({', '.join(shipped_models())})."
        )
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["checkpoint"])
            name, scaling = facts["network"], SCALINGS[facts["scaling"]]
            network = NETWORKS[name]()
            network.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
        class_maps = None
        if name in WITH_CLASS_MAPS:
            stored = facts["class_maps"]
            class_maps = ClassMaps(load_segmenter(stored["segmenter"]), stored["encoding"])
            class_maps.logit_max.copy_(torch.tensor(stored["logit_max"]))
        a, b = facts["mean_color"]
        decoders = {key: ColorDecoder(**each) for key, each in facts.get("readings", {}).items()}
        return Checkpoint(
            network.eval(),
            name,
            scaling,
            int(facts["size"]),
            (float(a), float(b)),
            class_maps,
            decoders,
        )
    except (SafetensorError, KeyError, TypeError, RuntimeError, OSError, ValueError):
        raise VividPastError(
            f"{model}: is not a model of this project, or damaged; give a model.safetensors "
            "that `vividpast train` wrote."
        ) from None
