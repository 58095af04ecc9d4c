"""Settings are checked when they are made, and old ones load."""

import json
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vividpast_lib.networks.registry import NETWORKS
from vividpast_lib.photos.open import open_photos
from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.training.loop import fit
from vividpast_lib.training.run_folder import load_settings
from vividpast_lib.training.settings import RECIPE_2018, Settings
from vividpast_lib.training.task_registry import open_task

NAN, INFINITY = float("nan"), float("inf")
WRONG = {
    "network": ["resnet", "", None],
    "scaling": ["2019"],
    "segmenter": ["heavy"],
    "class_maps": ["softmax", ""],
    "size": [0, -8, 7, 4097, 96.0, "96", True, Fraction(96)],
    "last_size": [-1, 4097],
    "epochs": [0, 1.5],
    "minutes": [-1, NAN, INFINITY, "9"],
    "batch_size": [0, -1],
    "learning_rate": [0, -0.1, NAN, INFINITY, 10**400, "0.1", Fraction(1, 9), np.longdouble(0.1)],
    "weight_decay": [-1e-4, NAN, INFINITY, 10**400],
    "schedule": ["cosine"],
    "augment": [1, "no"],
    "smallest_crop": [0, -0.5, 1.5, "0.5", NAN],
    "teachers": ["pyramid", (1,), ("",), None],
    "shares": [(0,), (1, -1), ("1",), (NAN, 1), (True,), 0.5],
    "upscaled_every": [0],
    "precision": ["bf16", "float16"],
    "seed": [-1, 2**64, 0.5],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_setting_is_one_sentence(name: str, value: object) -> None:
    with pytest.raises(VividPastError, match=f"^The setting {name} must be .*not ") as raised:
        Settings(**{name: value})
    assert "\n" not in str(raised.value)
    with pytest.raises(VividPastError, match=name):
        replace(Settings(), **{name: value})


def test_every_setting_is_checked_and_every_recipe_is_right() -> None:
    assert WRONG.keys() == asdict(Settings()).keys()
    for name, model in NETWORKS.items():
        assert Settings(network=name, **model.recipe).network == name
    Settings(**RECIPE_2018)
    Settings(learning_rate=1, weight_decay=0, seed=2**31 - 1)


def test_settings_take_numbers_of_numpy() -> None:
    settings = Settings(epochs=np.int64(3), learning_rate=np.float32(0.5), augment=np.True_)
    assert json.loads(json.dumps(asdict(settings)))["learning_rate"] == 0.5
    assert settings == Settings(epochs=3, learning_rate=0.5, augment=True)


def test_a_run_of_the_version_before_goes_on(photo_folder: Path, tmp_path: Path) -> None:
    """Its state says small_every and facts."""
    sets = open_photos(photo_folder, "train"), open_photos(photo_folder, "val")
    settings = Settings(size=16, epochs=2, batch_size=8, upscaled_every=3)
    run = tmp_path / "run"
    whole, _ = fit(open_task(*sets, settings, "cpu"), progress=False)

    def stop(_network: object, _row: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(open_task(*sets, settings, "cpu"), run=run, progress=False, on_epoch=stop)
    state = run / "state.safetensors"
    with safe_open(state, "pt") as file:
        metadata = {key: json.loads(value) for key, value in file.metadata().items()}
    metadata["settings"]["small_every"] = metadata["settings"].pop("upscaled_every")
    metadata["progress"]["facts"] = metadata["progress"].pop("statistics")
    old = {key: json.dumps(value) for key, value in metadata.items()}
    save_file(load_file(state), state, old)
    assert load_settings(run) == settings
    task = open_task(*sets, settings, "cpu")
    resumed, history = fit(task, run=run, resume=True, progress=False)
    assert len(history) == 2
    for key, value in whole.state_dict().items():
        assert value.equal(resumed.state_dict()[key]), key


def test_shares_survive_the_state_of_a_run(photo_folder: Path, tmp_path: Path) -> None:
    settings = Settings(size=16, epochs=1, batch_size=8, shares=(3, 1.5))
    assert Settings(**json.loads(json.dumps(asdict(settings)))) == settings


def test_crops_grow_in_the_last_quarter_of_the_epochs() -> None:
    settings = Settings(size=16, last_size=24, epochs=6)
    assert [settings.crop_size(epoch) for epoch in range(6)] == [16, 16, 16, 16, 24, 24]
    assert Settings(size=16, epochs=1, last_size=24).crop_size(0) == 24
    assert Settings(size=16, epochs=4).crop_size(3) == 16
