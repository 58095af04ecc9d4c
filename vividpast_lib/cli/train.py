"""`vividpast train` and `vividpast study`: networks trained, each in a folder of its own."""

import argparse
import dataclasses
import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from .options import CommandParser, add_device, add_photos, positive, renamed_option

if TYPE_CHECKING:
    import torch

    from ..training.settings import Settings


def add_commands(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    """Add `train` and `study`."""
    train = commands.add_parser(
        "train", help="train a network",
        description="Train a network. DIR gets model.safetensors, which colorize and evaluate take "
        "as\n--model, and history.csv with a row per epoch.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    train.add_options = _add_train_options
    train.set_defaults(command=_train)
    study = commands.add_parser(
        "study", help="train networks that differ only in their semantics (lesson 06)"
    )
    study.add_options = _add_study_options
    study.set_defaults(command=_study)


def _add_train_options(train: CommandParser) -> None:
    from ..networks.registry import NETWORKS

    train.add_argument(
        "network", choices=tuple(NETWORKS),
        help="network to train; segmenter needs photos with class maps",
    )  # fmt: skip
    add_photos(train)
    renamed_option(
        train, "--first", "--head", type=positive(int), metavar="N",
        help="train on the first N photos alone",
    )  # fmt: skip
    train.add_argument("--run", required=True, type=Path, metavar="DIR", help="folder of the run")
    resume = train.add_mutually_exclusive_group()
    resume.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    resume.add_argument(
        "--start-or-resume", action="store_true",
        help="go on with the run in DIR if there is one, else start it: for clusters, which give "
        "the same command again",
    )  # fmt: skip
    train.add_argument(
        "--in-memory", action="store_true",
        help="read the photos once and keep them, on the GPU if one trains; large ones are kept at "
        "twice the size of the crops",
    )  # fmt: skip
    _add_settings(train)
    add_device(train)


def _add_settings(train: CommandParser) -> None:
    """Offer `Settings` as options. Those not given are None, so that --resume can tell."""
    from ..networks.registry import NETWORKS
    from ..training.run_folder import RENAMED
    from ..training.settings import RECIPE_2018, Settings, choices_of

    old_names = {new: old for old, new in RENAMED.items()}
    train.add_argument(
        "--recipe", choices=("2018",),
        help=f"settings of the project of 2018: {_as_options(RECIPE_2018)}; other options override "
        "them",
    )  # fmt: skip
    for setting in dataclasses.fields(Settings):
        if setting.name == "network":
            continue
        default = str(setting.default)
        arguments: dict[str, Any] = {"type": setting.type, "metavar": "N"}
        if setting.name == "precision":
            default = "what this machine computes fastest"
        if choices := choices_of(setting):
            arguments = {"choices": choices}
        elif setting.type == tuple[str, ...]:
            default = "none"
            arguments = {"type": str, "nargs": "*", "metavar": "MODEL"}  # none ends it on resuming
        elif get_origin(setting.type) is tuple:
            default = "each as much as it has photos"
            arguments = {"type": float, "nargs": "+", "metavar": "N"}
        elif setting.type is bool:
            arguments = {"action": argparse.BooleanOptionalAction}
            default = "yes" if setting.default else "no"
        text = f"{setting.metadata['help']} (default: {default})"
        if setting.name in old_names:
            old = _flag(old_names[setting.name])
            renamed_option(train, old, _flag(setting.name), help=text, **arguments)
        else:
            train.add_argument(_flag(setting.name), default=None, help=text, **arguments)
    recipes = [
        f"  {model.name:11} {_as_options(_differing(model.recipe))}"
        for model in NETWORKS.values()
        if _differing(model.recipe)
    ]
    train.epilog = "\n".join(["networks with other defaults:", *recipes])


def _differing(recipe: Any) -> dict[str, object]:
    from ..training.settings import Settings

    defaults = {setting.name: setting.default for setting in dataclasses.fields(Settings)}
    return {name: value for name, value in recipe.items() if value != defaults[name]}


def _as_options(recipe: dict[str, object]) -> str:
    """Write settings as they are given on the command line."""
    words = []
    for name, value in recipe.items():
        if isinstance(value, bool):
            words.append(_flag(name) if value else _flag(f"no_{name}"))
        else:
            words.append(f"{_flag(name)} {value}")
    return " ".join(words)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _add_study_options(study: CommandParser) -> None:
    from ..course.ablation.variants import PLANS, SEEDS

    study.add_argument(
        "--runs", required=True, type=Path, metavar="DIR",
        help="folder to save to; a run is DIR/PHOTOS/VARIANT-SEED, and what is complete is kept",
    )  # fmt: skip
    renamed_option(
        study, "--spread", "--evenly-spaced", nargs="+", type=int, choices=tuple(PLANS),
        default=list(PLANS), metavar="N",
        help=f"train on so many photos, evenly spaced in the set: {' or '.join(map(str, PLANS))} "
        "(default: first the one, then the other)",
    )  # fmt: skip
    renamed_option(study, "--arms", "--variants", nargs="+", metavar="VARIANT", help="default: all")
    study.add_argument(
        "--seeds", nargs="+", type=int, default=SEEDS, metavar="N",
        help=f"default: {' '.join(map(str, SEEDS))}",
    )  # fmt: skip
    epochs = " and ".join(f"{plan.epochs} on {plan.photos} photos" for plan in PLANS.values())
    study.add_argument("--epochs", type=positive(int), metavar="N", help=f"default: {epochs}")
    add_photos(study)
    add_device(study)


def _train(options: argparse.Namespace) -> int:
    from ..runtime.devices import best_device
    from ..runtime.distributed import process_group

    with process_group(best_device(options.device)) as device:
        _train_on(device, options)
    return 0


def _train_on(device: "torch.device", options: argparse.Namespace) -> None:
    from ..photos.open import default_source, open_class_maps, open_photos
    from ..runtime.distributed import (
        all_reduce_sum,
        is_rank_zero,
        run_on_all_ranks,
        run_on_rank_zero,
        world_size,
    )
    from ..training.loop import fit
    from ..training.run_folder import holds_run
    from ..training.task_registry import open_task, task_class

    # After a crash torchrun runs the same command again, without --resume.
    restarted = int(all_reduce_sum(int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))))
    either = bool(options.start_or_resume or restarted)
    resume = options.resume or (either and run_on_rank_zero(lambda: holds_run(options.run)))
    settings = run_on_rank_zero(lambda: _settings(device, options, resume))
    source = options.photos or default_source()
    open_set = open_class_maps if task_class(options.network).needs_class_maps else open_photos
    train, val = run_on_all_ranks(lambda: [open_set(source, split) for split in ("train", "val")])
    if options.head:
        train = train.head(options.head)

    def report(line: str) -> None:
        if is_rank_zero():
            print(line, flush=True)

    report(f"{len(train):,} training and {len(val):,} validation photos of {train.title}")
    started = time.perf_counter()
    try:
        task = run_on_all_ranks(
            lambda: open_task(train, val, settings, device, options.in_memory, is_rank_zero())
        )
        _network, history = fit(
            task, run=options.run, resume=resume, progress=is_rank_zero(),
            on_epoch=lambda _network, row: report(_epoch_line(row)),
        )  # fmt: skip
    except KeyboardInterrupt:
        if not is_rank_zero():
            raise SystemExit(130) from None
        if not holds_run(options.run):
            raise
        command = "the same command with --resume"
        if world_size() == 1:
            command = _resume_command(options, source)
        raise KeyboardInterrupt(f"stopped and saved; go on with: {command}") from None
    seconds = time.perf_counter() - started
    spent = f"{seconds / 60:.0f} minutes" if seconds > 120 else f"{seconds:.0f} s"
    report(f"{len(history)} epochs, {spent} -> {options.run / 'model.safetensors'}")


def _resume_command(options: argparse.Namespace, source: list[str]) -> str:
    words = ["vividpast", "train", options.network, "--photos", *source]
    words += ["--head", str(options.head)] if options.head else []
    words += ["--in-memory"] if options.in_memory else []
    words += ["--device", options.device] if options.device != "auto" else []
    return shlex.join([*words, "--run", str(options.run), "--resume"])


def _settings(device: "torch.device", options: argparse.Namespace, resume: bool) -> "Settings":
    from ..networks.registry import NETWORKS
    from ..runtime.devices import best_precision
    from ..training.run_folder import load_settings
    from ..training.settings import RECIPE_2018, Settings

    given = {
        setting.name: getattr(options, setting.name)
        for setting in dataclasses.fields(Settings)
        if getattr(options, setting.name) is not None
    }
    given = {**(RECIPE_2018 if options.recipe else {}), **given}
    if resume:
        return dataclasses.replace(load_settings(options.run), **given)
    recipe: dict[str, Any] = {
        "precision": best_precision(device),
        **NETWORKS[options.network].recipe,
    }
    return Settings(**{**recipe, **given})


def _epoch_line(row: dict[str, float]) -> str:
    if "val_mean_iou" in row:
        metrics = f"mean IoU {row['val_mean_iou']:.3f} validation, loss {row['train_loss']:.3f}"
    else:
        metrics = (
            f"ab L1 {row['train_ab_l1']:.2f} training, "
            f"{row['val_ab_l1']:.2f} validation (grey {row['val_grey_ab_l1']:.2f}, "
            f"mean colour {row['val_mean_color_ab_l1']:.2f})"
        )
    return f"epoch {row['epoch']:.0f}: {metrics}, {row['photos_per_second']:.0f} photos/s"


def _study(options: argparse.Namespace) -> int:
    from ..course.ablation.study import open_study_photos, pick_variants, run_study, study_summary
    from ..course.ablation.variants import PLANS
    from ..photos.open import default_source
    from ..runtime.devices import best_device, best_precision

    device = best_device(options.device)
    before = 0
    for plan in (PLANS[photos] for photos in sorted(options.evenly_spaced)):
        train, val = open_study_photos(options.photos or default_source(), plan.photos)
        variants = pick_variants(options.variants, with_teacher=train.class_maps is not None)
        if len(train) == before:
            print(f"{train.title} has no more photos for the runs on {plan.photos:,}: left out.")
            continue
        before = len(train)
        print(f"{len(train):,} training and {len(val):,} validation photos of {train.title}")
        names = ", ".join(variant.name for variant in variants)
        print(f"variants {names}; seeds {tuple(options.seeds)}", flush=True)
        try:
            histories = run_study(
                train, val, variants, options.seeds, options.runs / str(plan.photos),
                epochs=options.epochs or plan.epochs, passes=plan.passes,
                precision=best_precision(device), device=device,
                on_epoch=lambda run, row: print(f"{run} {_epoch_line(row)}", flush=True),
            )  # fmt: skip
        except KeyboardInterrupt:
            again = "stopped and saved; the same command goes on."
            raise KeyboardInterrupt(again) from None
        print(study_summary(histories))
    return 0
