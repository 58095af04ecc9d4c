"""`vividpast train`: one network; `vividpast study`: networks that differ in their semantics."""

import argparse
import dataclasses
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_device, add_photos, positive

if TYPE_CHECKING:
    import torch

    from ..training.settings import Settings


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `train` and `study`."""
    train = commands.add_parser("train", help="train a network")
    train.add_argument("network", choices=("autoencoder", "fusion2018", "pyramid", "segmenter"))
    add_photos(train)
    train.add_argument(
        "--first", type=positive(int), metavar="N", help="train on the first N photos alone"
    )
    train.add_argument("--run", required=True, type=Path, metavar="DIR", help="folder to save to")
    resume = train.add_mutually_exclusive_group()
    resume.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    resume.add_argument(
        "--start-or-resume", action="store_true",
        help="go on with the run in DIR if there is one, else start it: for clusters, which give "
        "the same command again",
    )  # fmt: skip
    train.add_argument(
        "--in-memory", action="store_true",
        help="read the photos once and keep them; needs --no-augment",
    )  # fmt: skip
    _add_settings(train)
    add_device(train)
    train.set_defaults(command=_train)

    study = commands.add_parser(
        "study", help="train networks that differ only in their semantics (lesson 06)"
    )
    study.add_argument(
        "--runs", required=True, type=Path, metavar="DIR",
        help="folder to save to; a run is DIR/PHOTOS/ARM-SEED, and what is complete is kept",
    )  # fmt: skip
    study.add_argument(
        "--spread", nargs="+", type=int, choices=(500, 4000), default=[500, 4000], metavar="N",
        help="train on 500 photos, on 4000, or both (the default), spread through the set",
    )  # fmt: skip
    study.add_argument("--arms", nargs="+", metavar="ARM", help="default: all")
    study.add_argument("--seeds", nargs="+", type=int, metavar="N", help="default: 0 1 2")
    study.add_argument(
        "--epochs", type=positive(int), metavar="N", help="default: 6 on 500 photos, 8 on 4000"
    )
    add_photos(study)
    add_device(study)
    study.set_defaults(command=_study)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Offer `tasks.Settings` as options. Unset ones are None, so that --resume can tell."""
    parser.add_argument(
        "--recipe", choices=("2018",),
        help="what 2018 trained with: L1, Adam 0.002, batch 20, its scaling, no augmentation; "
        "other options override it",
    )  # fmt: skip
    for flag, kind, text in (
        ("--epochs", positive(int), "times through the photos (default: 10)"),
        ("--size", positive(int), "side of the square photos in pixels (default: 96)"),
        ("--batch-size", positive(int), "photos a step (default: 32)"),
        ("--learning-rate", positive(float), "of AdamW (default: 0.002)"),
        ("--weight-decay", float, "of AdamW (default: 0.0001)"),
        (
            "--upscaled-every",
            positive(int),
            "show photos of at most half that side in one epoch of N (default: 1)",
        ),
        ("--seed", int, "fixes weights, order and crops (default: 0)"),
    ):
        parser.add_argument(flag, type=kind, metavar="N", help=text)
    parser.add_argument("--schedule", choices=("one-cycle", "constant"))
    parser.add_argument("--scaling", choices=("unit", "2018"))
    parser.add_argument(
        "--class-maps", choices=("logits", "probabilities", "one-hot"),
        help="what fusion2018 is given of the class maps (default: logits)",
    )  # fmt: skip
    parser.add_argument("--segmenter", choices=("lite", "deeplabv3"), help="default: lite")
    parser.add_argument("--augment", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), help="default: what the hardware does best"
    )


def _train(options: argparse.Namespace) -> int:
    from ..runtime.devices import best_device
    from ..runtime.distributed import process_group

    with process_group(best_device(options.device)) as device:
        _train_on(device, options)
    return 0


def _train_on(device: "torch.device", options: argparse.Namespace) -> None:
    from ..photos.open import default_source, open_class_maps, open_photos
    from ..runtime.distributed import (
        is_rank_zero,
        restarted,
        run_on_all_ranks,
        run_on_rank_zero,
        world_size,
    )
    from ..training.loop import fit, holds_run

    again = options.start_or_resume or restarted()
    resume = options.resume or (again and run_on_rank_zero(lambda: holds_run(options.run)))
    settings = run_on_rank_zero(lambda: _settings(device, options, resume))
    source = options.photos or default_source()
    open_set = open_class_maps if options.network == "segmenter" else open_photos
    train, val = run_on_all_ranks(lambda: [open_set(source, split) for split in ("train", "val")])
    if options.first:
        train = train.head(options.first)

    def tell(line: str) -> None:
        if is_rank_zero():
            print(line, flush=True)

    tell(f"{len(train):,} training and {len(val):,} validation photos of {train.title}")
    started = time.perf_counter()
    try:
        _network, history = fit(
            train, val, settings, run=options.run, resume=resume, device=device,
            in_memory=options.in_memory, progress=is_rank_zero(),
            on_epoch=lambda _network, row: tell(_epoch_line(row)),
        )  # fmt: skip
    except KeyboardInterrupt:
        if not is_rank_zero():
            raise SystemExit(130) from None
        if not holds_run(options.run):
            raise
        again = ["vividpast", "train", options.network, "--photos", source]
        again += ["--first", str(options.first)] if options.first else []
        again += ["--in-memory"] if options.in_memory else []
        again += ["--run", str(options.run), "--resume"]
        command = shlex.join(again) if world_size() == 1 else "the same command with --resume"
        raise KeyboardInterrupt(f"stopped and saved; go on with: {command}") from None
    seconds = time.perf_counter() - started
    spent = f"{seconds / 60:.0f} minutes" if seconds > 120 else f"{seconds:.0f} s"
    tell(f"{len(history)} epochs, {spent} -> {options.run / 'model.safetensors'}")


def _settings(device: "torch.device", options: argparse.Namespace, resume: bool) -> "Settings":
    from ..runtime.devices import best_precision
    from ..training.loop import load_settings
    from ..training.settings import PYRAMID_RECIPE, RECIPE_2018, SEGMENTER_RECIPE, Settings

    given = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(Settings)
        if getattr(options, field.name) is not None
    }
    if resume:
        return dataclasses.replace(load_settings(options.run), **given)
    recipe: dict[str, object] = {"precision": best_precision(device)}
    recipe |= {"pyramid": PYRAMID_RECIPE, "segmenter": SEGMENTER_RECIPE}.get(options.network, {})
    recipe |= RECIPE_2018 if options.recipe == "2018" else {}
    return Settings(**{**recipe, **given})


def _epoch_line(row: dict[str, float]) -> str:
    if "val_mean_iou" in row:
        told = f"mean IoU {row['val_mean_iou']:.3f} validation, loss {row['train_loss']:.3f}"
    else:
        told = (
            f"ab L1 {row['train_ab_l1']:.2f} training, "
            f"{row['val_ab_l1']:.2f} validation (grey {row['val_grey_ab_l1']:.2f}, "
            f"mean colour {row['val_mean_color_ab_l1']:.2f})"
        )
    return f"epoch {row['epoch']:.0f}: {told}, {row['photos_per_second']:.0f} photos/s"


def _study(options: argparse.Namespace) -> int:
    from ..photos.open import default_source
    from ..runtime.devices import best_device, best_precision
    from ..training.ablation.study import open_study_photos, pick_variants, run_study, study_summary
    from ..training.ablation.variants import PLANS, SEEDS

    device = best_device(options.device)
    before = 0
    for plan in (PLANS[photos] for photos in sorted(options.spread)):
        train, val = open_study_photos(options.photos or default_source(), plan.photos)
        arms = pick_variants(options.arms, with_teacher=train.class_maps is not None)
        if len(train) == before:
            print(f"{train.title} has no more photos for the runs on {plan.photos:,}: left out.")
            continue
        before = len(train)
        print(f"{len(train):,} training and {len(val):,} validation photos of {train.title}")
        seeds = options.seeds or SEEDS
        print(f"arms {', '.join(arm.name for arm in arms)}; seeds {seeds}", flush=True)
        try:
            histories = run_study(
                train, val, arms, seeds, options.runs / str(plan.photos),
                epochs=options.epochs or plan.epochs, passes=plan.passes,
                precision=best_precision(device), device=device,
                tell=lambda run, row: print(f"{run} {_epoch_line(row)}", flush=True),
            )  # fmt: skip
        except KeyboardInterrupt:
            again = "stopped and saved; the same command goes on."
            raise KeyboardInterrupt(again) from None
        print(study_summary(histories))
    return 0
