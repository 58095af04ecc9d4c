"""`vividpast train` and `vividpast study` as a user meets them."""

import re
import shlex
from pathlib import Path

import pytest
import torch

from vividpast_lib.cli import train
from vividpast_lib.cli.main import _parser, main
from vividpast_lib.networks.registry import NETWORKS
from vividpast_lib.runtime.devices import best_precision
from vividpast_lib.training import loop
from vividpast_lib.training.run_folder import load_settings
from vividpast_lib.training.settings import Settings

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "wrong",
    [
        "--precision bf16", "--schedule cosine", "--batch-size 0", "--learning-rate nan",
        "--learning-rate inf", "--learning-rate 0", "--weight-decay -1", "--seed -1", "--seed 1.5",
        "--size 3", "--size 200000", "--epochs 0", "--upscaled-every 0", "--head 0",
        "--class-maps softmax",
    ],
)  # fmt: skip
def test_wrong_settings_are_one_sentence(
    wrong: str, photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    command = ["train", "autoencoder", "--photos", str(photo_folder), "--run", str(run)]
    try:
        status = main([*command, *wrong.split()])
    except SystemExit as ended:
        status = int(ended.code or 0)
    assert status == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("vividpast") and wrong.split()[0].strip("-").split("-")[0] in last
    assert not run.exists()


def test_a_run_goes_on_with_its_own_recipe(photo_folder: Path, tmp_path: Path, capsys) -> None:
    command = ["train", "autoencoder", "--photos", str(photo_folder), "--run", str(tmp_path)]
    assert main([*command, "--head", "4", "--size", "16", "--epochs", "1"]) == 0
    assert main([*command, "--head", "4", "--resume", "--recipe", "2018"]) == 2
    assert "batch_size" in capsys.readouterr().err


def test_seeds_of_a_study_are_checked_before_anything_is_computed(tmp_path: Path, capsys) -> None:
    command = ["study", "--photos", "bundled", "--runs", str(tmp_path / "runs")]
    assert main([*command, "--variants", "none", "--seeds", "-1"]) == 2
    assert "The setting seed must be" in capsys.readouterr().err


def test_help_shows_the_defaults_of_each_network(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = capsys.readouterr().out
    for name, model in NETWORKS.items():
        options = _parser().parse_args(["train", name, "--run", "x"])
        settings = train._settings(CPU, options, resume=False)
        assert settings == Settings(name, precision=best_precision(CPU), **model.recipe)
        # What the help says of this network, given as options, changes nothing.
        row = re.search(rf"^  {name} +(--.*)$", text, re.MULTILINE)
        shown = _parser().parse_args(
            ["train", "autoencoder", "--run", "x", *shlex.split(row[1] if row else "")]
        )
        expected = {**vars(Settings(precision=best_precision(CPU))), **model.recipe}
        assert vars(train._settings(CPU, shown, resume=False)) == expected
    for name in ("size", "epochs", "batch_size", "learning_rate", "weight_decay", "seed"):
        flat = " ".join(text.split())
        assert re.search(
            rf"--{name.replace('_', '-')} N [^-]*\(default: {getattr(Settings(), name)}\)", flat
        ), name


def test_renamed_options_work_and_say_their_new_names(
    photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    command = f"train autoencoder --photos {photo_folder} --run {run} --device cpu --size 16"
    assert main([*command.split(), "--epochs", "1", "--first", "4", "--small-every", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("4 training and")
    assert "vividpast: --first is now called --head.\n" in err
    assert "vividpast: --small-every is now called --upscaled-every.\n" in err
    assert load_settings(run).upscaled_every == 2
    command = "study --runs x --spread 500 --arms none logits"
    options = _parser().parse_args(command.split())
    assert (options.evenly_spaced, options.variants) == ([500], ["none", "logits"])
    err = capsys.readouterr().err
    assert err.splitlines() == [
        "vividpast: --spread is now called --evenly-spaced.",
        "vividpast: --arms is now called --variants.",
    ]


def test_the_printed_command_goes_on_as_the_run_began(
    photo_folder: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "a run"
    command = ["train", "autoencoder", "--photos", str(photo_folder), "--run", str(run)]
    command += ["--head", "8", "--in-memory", "--device", "cpu"]
    settings = ["--no-augment", "--size", "16", "--epochs", "2"]
    real = loop._train_epoch

    def stopped(*arguments):
        real(*arguments)
        return False

    monkeypatch.setattr(loop, "_train_epoch", stopped)
    assert main([*command, *settings]) == 130
    printed = shlex.split(capsys.readouterr().err.rpartition("go on with: ")[2])
    assert printed[0] == "vividpast"
    before, again = (
        vars(_parser().parse_args(words)) for words in ([*command, "--resume"], printed[1:])
    )
    assert again == before
