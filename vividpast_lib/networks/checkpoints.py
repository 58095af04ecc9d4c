"""Networks <-> safetensors files, with what is needed to use them in the file's metadata."""

import contextlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..color.color_decoder import ColorDecoder
from ..color.scaling import SCALINGS, Scaling
from ..runtime.errors import VividPastError
from ..runtime.files import exists, output_file
from ..runtime.randomness import own_random_numbers
from .class_maps import ENCODINGS, ClassMaps
from .color_network import ColorNetwork
from .registry import NetworkEntry, find_network
from .segmenters import load_segmenter
from .voc import VOC_CLASSES

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
DEFAULT_MODEL = "pyramid"


@dataclass
class Checkpoint:
    """A network and how to feed it.

    Parameters
    ----------
    network : ColorNetwork
        Scaled lightness in, scaled ab out; fusion networks also take class maps.
    name : str
        Its key in `registry.NETWORKS`.
    scaling : Scaling
        Between Lab units and the network.
    size : int
        Side of the square photos that it was trained on, in pixels.
    mean_color : tuple of float
        Mean ab of its training photos in Lab units: the trivial colorizer that it must beat.
    class_maps : ClassMaps, optional
        What makes its class maps, if it takes any.
    decoders : dict of ColorDecoder
        ``faithful`` and ``vivid``: what takes colours from its distribution, if it predicts one.
    model : str
        What the user named to load it: a shipped model or a file.
    """

    network: ColorNetwork
    name: str
    scaling: Scaling
    size: int
    mean_color: tuple[float, float]
    class_maps: ClassMaps | None = None
    decoders: dict[str, ColorDecoder] = field(default_factory=dict)
    model: str = ""


def shipped_models() -> list[str]:
    """Names of the models that come with the project."""
    return sorted(file.stem for file in WEIGHTS_FOLDER.glob("*.safetensors"))


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a network's weights, whole or not at all; a segmenter is named, not written.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network, with a name from `registry.NETWORKS` and a scaling from `scaling.SCALINGS`.
    path : Path
        A file; one that is there is replaced.

    Raises
    ------
    VividPastError
        If the file can't be written.
    """
    weights = {
        key: value.detach().cpu().contiguous()
        for key, value in checkpoint.network.state_dict().items()
    }
    if find_network(checkpoint.name).half_precision:
        weights = {
            key: value.half() if key.endswith((".weight", ".bias")) else value
            for key, value in weights.items()
        }
    info: dict[str, object] = {
        "network": checkpoint.name,
        "scaling": next(key for key, known in SCALINGS.items() if known == checkpoint.scaling),
        "size": checkpoint.size,
        "mean_color": checkpoint.mean_color,
    }
    if checkpoint.class_maps:
        info["class_maps"] = {
            "segmenter": checkpoint.class_maps.segmenter.name,
            "encoding": checkpoint.class_maps.encoding,
            "logit_max": checkpoint.class_maps.logit_max.tolist(),
        }
    if checkpoint.decoders:
        info["decoders"] = {key: asdict(each) for key, each in checkpoint.decoders.items()}
    # One entry: safetensors writes several in random order, and equal weights in unequal files.
    metadata = {"checkpoint": json.dumps(info)}
    with output_file(path) as temporary:
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
    elif not (exists(path) and path.is_file()):
        raise VividPastError(
            f"{model}: is neither a model file nor one of the models that come with the "
            f"project ({', '.join(shipped_models())})."
        )
    damaged = VividPastError(
        f"{model}: is not a model of this project, or damaged; give a model.safetensors "
        "that `vividpast train` wrote."
    )
    # Only what depends on the file: a fault of our own code must not pass for damage.
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {})["checkpoint"])
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        name, scaling, size = str(info["network"]), SCALINGS[info["scaling"]], int(info["size"])
        a, b = map(float, info["mean_color"])
        stored = info.get("decoders", info.get("readings", {}))  # "readings" in older files
        decoders = {key: ColorDecoder(**each) for key, each in stored.items()}
        maps = info.get("class_maps", {})
        segmenter, encoding = maps.get("segmenter"), maps.get("encoding")
        logit_max = torch.tensor(maps.get("logit_max", []))
    except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError):
        raise damaged from None
    network = _network_with(weights, find_network(name))
    if network is None:
        raise damaged
    class_maps = None
    if network.takes_class_maps:
        if encoding not in ENCODINGS or logit_max.shape != (len(VOC_CLASSES),):
            raise damaged
        class_maps = ClassMaps(load_segmenter(segmenter), encoding)
        class_maps.logit_max.copy_(logit_max)
    return Checkpoint(network.eval(), name, scaling, size, (a, b), class_maps, decoders, str(model))


def _network_with(weights: dict[str, Tensor], entry: NetworkEntry) -> ColorNetwork | None:
    """Make the network of an entry that these weights fit, if there is one."""
    for make in (entry.network, *entry.older):
        with own_random_numbers():  # weights that are replaced at once
            network = make()
        with contextlib.suppress(RuntimeError):  # other keys or shapes
            network.load_state_dict(weights)
            return network if isinstance(network, ColorNetwork) else None
    return None
