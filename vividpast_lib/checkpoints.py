"""Networks <-> safetensors files, with what is needed to use them in the file's metadata."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from .errors import VividPastError
from .lab import SCALINGS, Scaling
from .models import NETWORKS
from .pictures import replacing

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
DEFAULT_MODEL = "autoencoder"


@dataclass
class Checkpoint:
    """A network and how to feed it.

    Parameters
    ----------
    network : nn.Module
        Scaled lightness in, scaled ab out.
    name : str
        Its key in `models.NETWORKS`.
    scaling : Scaling
        Between Lab units and the network.
    size : int
        Side of the square photos that it was trained on, in pixels.
    """

    network: nn.Module
    name: str
    scaling: Scaling
    size: int


def shipped_models() -> list[str]:
    """Names of the models that come with the project."""
    return sorted(file.stem for file in WEIGHTS_FOLDER.glob("*.safetensors"))


def save_checkpoint(network: nn.Module, name: str, scaling: str, size: int, path: Path) -> None:
    """Write a network's weights, whole or not at all.

    Parameters
    ----------
    network : nn.Module
        The network.
    name, scaling : str
        Its keys in `models.NETWORKS` and `lab.SCALINGS`.
    size : int
        Side of the training photos, in pixels.
    path : Path
        Where to.
    """
    weights = {
        key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()
    }
    # One entry: safetensors writes several in random order, and equal weights in unequal files.
    facts = {"network": name, "scaling": scaling, "size": size}
    metadata = {"checkpoint": json.dumps(facts)}
    with replacing(path) as temporary:
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
            return Checkpoint(network.eval(), name, scaling, int(facts["size"]))
    except (SafetensorError, KeyError, TypeError, RuntimeError, OSError, ValueError):
        raise VividPastError(
            f"{model}: is not a model of this project, or damaged; give a model.safetensors "
            "that `vividpast train` wrote."
        ) from None
