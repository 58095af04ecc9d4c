"""Which device is taken, in which precision."""

import pytest
import torch

from vividpast_lib.runtime.devices import best_device, best_precision
from vividpast_lib.runtime.errors import VividPastError


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "precision"),
    [(False, False, "float32"), (True, False, "bfloat16"), (False, True, "bfloat16")],
)
def test_a_processor_computes_in_bfloat16_where_it_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx512_bf16: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)
    assert best_precision(torch.device("cpu")) == precision


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert best_device() == torch.device("cpu")
    with pytest.raises(VividPastError, match="no CUDA device here"):
        best_device("cuda")
    with pytest.raises(VividPastError, match="gpu: is no device; use auto, cpu or cuda"):
        best_device("gpu")
