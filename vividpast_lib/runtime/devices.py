"""Which device to compute on, in which precision."""

import torch

from .errors import VividPastError


def best_device(name: str | torch.device = "auto") -> torch.device:
    """Choose a device: ``auto`` takes CUDA where there is one, else the CPU.

    Raises
    ------
    VividPastError
        If ``name`` is no device, or CUDA is asked for and not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise VividPastError(f"{name}: is no device; use auto, cpu or cuda.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise VividPastError("There is no CUDA device here; use --device cpu or --device auto.")
    return device


def best_precision(device: torch.device) -> str:
    """Name the fastest precision that trains well: bfloat16 where the hardware multiplies it.

    Elsewhere, as on most laptops' processors, bfloat16 is emulated and slower than float32.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    multiply = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    hardware = any(getattr(torch.cpu, name, lambda: False)() for name in multiply)
    return "bfloat16" if hardware else "float32"
