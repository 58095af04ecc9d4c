"""The command line: one thin command a function of the library.

Bad input is said in one sentence on stderr, with exit status 2.
"""

import argparse
import contextlib
import dataclasses
import shlex
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..runtime.errors import VividPastError

if TYPE_CHECKING:
    import torch

    from ..colorize.colorizer import Colorizer
    from ..film.film_jobs import FilmJob
    from ..training.settings import Settings


# The heavy imports are inside the commands, so that --help answers at once.


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except VividPastError as error:
        print(f"vividpast: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"vividpast: {str(stopped) or 'stopped.'}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vividpast", description="Colorize black-and-white photos, and learn how it is done."
    )
    parser.add_argument("--version", action="version", version=f"vividpast {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    colorize = commands.add_parser("colorize", help="colorize photos and films")
    colorize.add_argument(
        "inputs", nargs="+", type=Path, metavar="INPUT", help="photos, folders of photos, films"
    )
    colorize.add_argument(
        "-o", "--out", required=True, metavar="OUT",
        help="folder for the coloured copies; or, for one photo, a file ending in .png, .jpg, "
        ".tif or .webp; for one film, in .mp4, .mov, .mkv or .webm",
    )  # fmt: skip
    _add_model(colorize)
    _add_device(colorize)
    colorize.add_argument(
        "--format", choices=("png", "jpg", "tif", "webp"), default="png",
        help="of photos written to a folder; png and tif lose nothing (default: png)",
    )  # fmt: skip
    colorize.add_argument(
        "--contact-sheet", type=Path, metavar="FILE",
        help="also write grey | ours | true; of films, stills",
    )  # fmt: skip
    colorize.add_argument(
        "--hints", type=Path, metavar="FILE.json",
        help="colours that one photo is to have in some places, as saved by the hint painter; "
        "what is around them follows",
    )  # fmt: skip
    colorize.add_argument("--force", action="store_true", help="replace files that exist")
    films = colorize.add_argument_group("films")
    _add_film_options(films)
    films.add_argument(
        "--preview", type=_positive(float), metavar="SECONDS",
        help="colour so many seconds from the start alone",
    )  # fmt: skip
    films.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True,
        help="go on where a call that was stopped has left OUT.parts (the default), or start anew",
    )  # fmt: skip
    colorize.set_defaults(command=_colorize)

    archive = commands.add_parser(
        "archive",
        help="colorize all films below a folder, many at once",
        description="Colorize all films below FOLDER. The same command again goes on, skips what "
        "is done, and colours what is new, has changed or has failed.",
    )
    archive.add_argument("folder", type=Path, metavar="FOLDER")
    archive.add_argument(
        "-o", "--out", required=True, type=Path, metavar="OUT",
        help="folder for the coloured copies, in the same sub-folders, and for manifest.json",
    )  # fmt: skip
    _add_model(archive)
    _add_device(archive)
    _add_film_options(archive)
    archive.add_argument(
        "--workers", type=_positive(int), metavar="N",
        help="films, or shots with --ray, coloured at once on this machine (default: half as "
        "many as there are cores)",
    )  # fmt: skip
    archive.add_argument(
        "--ray", nargs="?", const="local", metavar="ADDRESS",
        help="hand out shots with Ray (extra `archive`): on this machine or, with an ADDRESS, on "
        "that cluster, whose nodes must share FOLDER, OUT and the model's file under the same "
        "paths and have this version installed",
    )  # fmt: skip
    archive.set_defaults(command=_archive)

    train = commands.add_parser("train", help="train a network")
    train.add_argument("network", choices=("autoencoder", "fusion2018", "pyramid", "segmenter"))
    _add_photos(train)
    train.add_argument(
        "--first", type=_positive(int), metavar="N", help="train on the first N photos alone"
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
    _add_device(train)
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
        "--epochs", type=_positive(int), metavar="N", help="default: 6 on 500 photos, 8 on 4000"
    )
    _add_photos(study)
    _add_device(study)
    study.set_defaults(command=_study)

    segment = commands.add_parser("segment", help="show which classes are seen in a photo")
    segment.add_argument("photo", type=Path, metavar="PHOTO")
    segment.add_argument(
        "-o", "--out", required=True, type=Path, metavar="OUT",
        help="picture of the class map with a legend, ending in .png, .jpg, .tif or .webp",
    )  # fmt: skip
    _add_segmenter(segment)
    segment.add_argument("--force", action="store_true", help="replace OUT if it exists")
    segment.set_defaults(command=_segment)

    export = commands.add_parser(
        "export", help="write a model as a file for other programs and languages"
    )
    export.add_argument(
        "--onnx", required=True, type=Path, metavar="FILE.onnx",
        help="one file with the network, its weights, and how colours are read out of it",
    )  # fmt: skip
    _add_model(export)
    export.add_argument("--force", action="store_true", help="replace FILE.onnx if it exists")
    export.set_defaults(command=_export)

    evaluate = commands.add_parser("evaluate", help="measure a model on colour photos, made grey")
    evaluate.add_argument(
        "--model", metavar="NAME|FILE",
        help="a shipped model, a model.safetensors, or a segmenter (lite, deeplabv3); by default "
        "all shipped models",
    )  # fmt: skip
    _add_photos(evaluate)
    evaluate.add_argument(
        "--split", choices=("train", "val", "all"), default="val", help="default: val"
    )
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluate.add_argument(
        "--each-photo", type=Path, metavar="FILE.csv", help="also write the figures of each photo"
    )
    evaluate.add_argument(
        "--trade-off", type=Path, metavar="FILE.csv",
        help="instead of the table, write error against colorfulness for every way to read the "
        "distribution that a model predicts, on squares of 128 px",
    )  # fmt: skip
    evaluate.add_argument(
        "--film", nargs="+", type=Path, metavar="CLIP",
        help="measure on colour films, made grey, instead of photos: how steady the colours are",
    )  # fmt: skip
    _add_device(evaluate)
    evaluate.set_defaults(command=_evaluate)

    data = commands.add_parser("data", help="list and fetch sets of photos, and weights")
    data_commands = data.add_subparsers(required=True, metavar="COMMAND")
    data_list = data_commands.add_parser("list", help="show which sets are there")
    data_list.set_defaults(command=_data_list)
    data_fetch = data_commands.add_parser("fetch", help="fetch a public set, or weights")
    data_fetch.add_argument("name", metavar="NAME")
    data_fetch.set_defaults(command=_data_fetch)
    data_clips = data_commands.add_parser("clips", help="make the bundled films")
    data_clips.add_argument("-o", "--out", required=True, type=Path, metavar="FOLDER")
    data_clips.set_defaults(command=_data_clips)
    data_shards = data_commands.add_parser(
        "shards",
        help="pack a folder of photos as WebDataset shards, for file systems that many share",
    )
    _add_photos(data_shards)
    data_shards.add_argument(
        "-o", "--out", required=True, type=Path, metavar="FOLDER", help="folder, not there yet"
    )
    data_shards.add_argument(
        "--photos-a-shard",
        dest="photos_per_shard",
        type=_positive(int),
        default=1000,
        metavar="N",
        help="default: 1000",
    )
    data_shards.set_defaults(command=_data_shards)
    data_colors = data_commands.add_parser(
        "class-colors", help="measure which classes carry colour, on up to 5,000 training photos"
    )
    _add_photos(data_colors)
    _add_segmenter(data_colors)
    data_colors.add_argument("-o", "--out", required=True, type=Path, metavar="FILE.csv")
    data_colors.set_defaults(command=_data_class_colors)

    with contextlib.suppress(ModuleNotFoundError):  # the student edition has none
        from ..course.grading.commands import add_commands

        add_commands(commands)
    return parser


def _add_photos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--photos", metavar="SET",
        help="a set's name or a folder (default: $VIVIDPAST_PHOTOS, else the bundled photos)",
    )  # fmt: skip


def _add_segmenter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--segmenter", choices=("lite", "deeplabv3"), default="lite",
        help="lite comes with the project, deeplabv3 is fetched (default: lite)",
    )  # fmt: skip
    _add_device(parser)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default=None, metavar="NAME|FILE", help="a shipped model or a model.safetensors"
    )
    parser.add_argument(
        "--vivid", action="store_true",
        help="colours as strong as real photos', at the price of a larger error",
    )  # fmt: skip


def _add_film_options(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--each-frame-alone", action="store_true", dest="independent_frames",
        help="colour each frame as if it were a photo: the colours flicker",
    )  # fmt: skip


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Offer `tasks.Settings` as options. Unset ones are None, so that --resume can tell."""
    parser.add_argument(
        "--recipe", choices=("2018",),
        help="what 2018 trained with: L1, Adam 0.002, batch 20, its scaling, no augmentation; "
        "other options override it",
    )  # fmt: skip
    for flag, kind, text in (
        ("--epochs", _positive(int), "times through the photos (default: 10)"),
        ("--size", _positive(int), "side of the square photos in pixels (default: 96)"),
        ("--batch-size", _positive(int), "photos a step (default: 32)"),
        ("--learning-rate", _positive(float), "of AdamW (default: 0.002)"),
        ("--weight-decay", float, "of AdamW (default: 0.0001)"),
        (
            "--upscaled-every",
            _positive(int),
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


def _positive(kind: type) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value: float = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError("must be more than 0")
        return value

    parse.__name__ = kind.__name__
    return parse


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object
) -> None:
    if issubclass(category, UserWarning):
        print(f"vividpast: {message}", file=sys.stderr)


def _colorize(options: argparse.Namespace) -> int:
    from ..colorize.colorizer import Colorizer
    from ..colorize.photo_jobs import SHEET_TITLES, colorize_files, plan, write_sheet
    from ..colorize.strokes import read_hints
    from ..film.film_files import film_stills
    from ..film.film_jobs import film_target, is_film
    from ..networks.checkpoints import DEFAULT_MODEL

    films = [path for path in options.inputs if is_film(path)]
    photos = [path for path in options.inputs if path not in films]
    if films and photos and options.contact_sheet:
        raise VividPastError("A contact sheet shows photos or films: colorize them in two calls.")
    if options.hints and (films or len(photos) != 1 or photos[0].is_dir()):
        raise VividPastError("--hints is for one photo: name that photo alone.")
    hints = read_hints(options.hints) if options.hints else []
    colorizer = Colorizer.load(options.model or DEFAULT_MODEL, options.device, options.vivid)
    failed = False
    if photos:
        jobs, problems = plan(photos, options.out, options.format, options.force)
        for problem in problems:
            print(f"vividpast: {problem}", file=sys.stderr)
        failed = bool(problems)
        for line, error in colorize_files(colorizer, jobs, options.contact_sheet, hints):
            print(
                f"vividpast: {error}" if error else line, file=sys.stderr if error else sys.stdout
            )
            failed = failed or error is not None
    stills = []
    for film in films:
        try:
            target = film_target(film, options.out, len(options.inputs) == 1)
            job = _colorize_film(colorizer, film, target, options)
            if options.contact_sheet:
                stills += film_stills(job)
        except VividPastError as error:
            print(f"vividpast: {error}", file=sys.stderr)
            failed = True
    if stills:
        write_sheet(stills, SHEET_TITLES[:2], options.contact_sheet)
    return 2 if failed else 0


def _colorize_film(
    colorizer: "Colorizer", film: Path, target: Path, options: argparse.Namespace
) -> "FilmJob":
    from tqdm import tqdm

    from ..film.film_files import colorize_film

    with tqdm(desc=film.name, unit=" frames", mininterval=0.5) as bar:

        def on_progress(done: int, total: int) -> None:
            if bar.total is None:  # the first call: what an earlier run has done isn't counted
                bar.reset(total)
                bar.initial = done
            bar.n = done
            bar.update(0)

        try:
            job = colorize_film(
                colorizer, film, target, independent_frames=options.independent_frames,
                preview=options.preview, resume=options.resume, force=options.force, on_progress=on_progress,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; the same command goes on.") from None
        spent = bar.format_dict["elapsed"]
    print(f"{film}: {job.info.summary()} -> {target} ({spent:.1f} s)")
    return job


def _archive(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from ..film.archive import Outcome, colorize_archive, summary
    from ..film.archive_workers import Settings
    from ..networks.checkpoints import DEFAULT_MODEL

    settings = Settings(
        options.model or DEFAULT_MODEL, options.device, options.vivid, options.independent_frames
    )
    with tqdm(unit=" films") as bar:

        def on_progress(outcome: Outcome, films: int) -> None:
            bar.total = films
            bar.set_description(outcome.name, refresh=False)
            bar.update()

        try:
            outcomes = colorize_archive(
                options.folder, options.out, settings, workers=options.workers, ray=options.ray,
                on_progress=on_progress,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; the same command goes on.") from None
    print(summary(outcomes))
    failed = [each.reason for each in outcomes if each.state == "failed"]
    for reason in failed:
        print(f"vividpast: {reason}", file=sys.stderr)
    return 2 if failed else 0


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
    from ..networks.registry import find_model
    from ..runtime.devices import best_precision
    from ..training.loop import load_settings
    from ..training.settings import RECIPE_2018, Settings

    given = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(Settings)
        if getattr(options, field.name) is not None
    }
    if resume:
        return dataclasses.replace(load_settings(options.run), **given)
    recipe: dict[str, object] = {"precision": best_precision(device)}
    recipe |= find_model(options.network).recipe
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


def _segment(options: argparse.Namespace) -> int:
    from ..colorize.photo_jobs import segment_file
    from ..networks.segmenters import load_segmenter
    from ..runtime.devices import best_device

    segmenter = load_segmenter(options.segmenter).to(best_device(options.device))
    print(segment_file(segmenter, options.photo, options.out, options.force))
    return 0


def _export(options: argparse.Namespace) -> int:
    from ..colorize.colorizer import Colorizer
    from ..colorize.onnx_export import export_onnx
    from ..networks.checkpoints import DEFAULT_MODEL

    colorizer = Colorizer.load(options.model or DEFAULT_MODEL, "cpu", options.vivid)
    export_onnx(colorizer, options.onnx, options.force)
    answer = f"{colorizer.name} --vivid" if options.vivid else colorizer.name
    print(f"{answer} -> {options.onnx} ({options.onnx.stat().st_size / 1e6:.0f} MB)")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    import json

    from ..colorize import evaluation
    from ..colorize.colorizer import load_colorizers
    from ..networks import segmenter_evaluation
    from ..networks.checkpoints import shipped_models
    from ..networks.segmenters import SEGMENTERS, load_segmenter
    from ..photos.open import default_source, open_class_maps, open_photos
    from ..runtime.devices import best_device

    if options.film:
        return _evaluate_films(options)
    if options.trade_off:
        return _trade_off(options)
    if options.each_photo and not options.model:
        raise VividPastError("--each-photo writes the figures of one model: name it with --model.")
    source = options.photos or default_source()
    split = None if options.split == "all" else options.split
    device = best_device(options.device)
    if options.model in SEGMENTERS:
        photos = open_class_maps(source, split)
        segmenter = load_segmenter(options.model).to(device)
        report = segmenter_evaluation.segmenter_report(segmenter, photos)
    else:
        photos = open_photos(source, split)
        colorizers = load_colorizers([options.model] if options.model else shipped_models(), device)
        scores = list(evaluation.score_photos(colorizers, photos, load_segmenter().to(device)))
        report = evaluation.colorizer_report(scores, photos.title, options.split)
        if options.each_photo:
            evaluation.write_scores(scores, options.each_photo)
    print(json.dumps(report, indent=2) if options.json else evaluation.table(report))
    return 0


def _evaluate_films(options: argparse.Namespace) -> int:
    import json

    from ..colorize.colorizer import load_colorizers
    from ..film.evaluation import film_report, film_table, score_film
    from ..networks.checkpoints import DEFAULT_MODEL

    colorizers = load_colorizers([options.model or DEFAULT_MODEL], options.device)
    report = film_report([score_film(colorizers, film) for film in options.film])
    print(json.dumps(report, indent=2) if options.json else film_table(report))
    return 0


def _trade_off(options: argparse.Namespace) -> int:
    from ..colorize.colorizer import Colorizer
    from ..colorize.trade_off import measure_trade_off
    from ..networks.checkpoints import DEFAULT_MODEL
    from ..photos.open import default_source, open_photos
    from ..runtime.files import write_records

    split = None if options.split == "all" else options.split
    photos = open_photos(options.photos or default_source(), split)
    colorizer = Colorizer.load(options.model or DEFAULT_MODEL, options.device)
    points = measure_trade_off(colorizer, photos)
    write_records(points, options.trade_off)
    print(f"{len(photos):,} photos of {photos.title}, {len(points)} points -> {options.trade_off}")
    return 0


def _data_list(_options: argparse.Namespace) -> int:
    import os

    from ..photos.open import PHOTOS_VARIABLE, open_photos
    from ..runtime.downloads import PUBLIC_SETS, PUBLIC_WEIGHTS, data_folder, is_fetched, target_of

    rows = []
    for name in ("bundled", os.environ.get(PHOTOS_VARIABLE)):
        if name:
            try:
                counts = [len(open_photos(name, split)) for split in ("train", "val")]
                rows.append((name, "here", f"{counts[0]:,} train, {counts[1]:,} val"))
            except VividPastError as error:
                rows.append((name, "unusable", str(error)))
    if not os.environ.get(PHOTOS_VARIABLE):
        rows.append((f"${PHOTOS_VARIABLE}", "not set", "may name a folder of photos of yours"))
    for name, known in PUBLIC_SETS.items():
        if is_fetched(name):
            rows.append((name, "here", f"{known.what}, in {data_folder() / name}"))
        else:
            rows.append((name, "not fetched", f"{known.what}; {known.size}"))
    for name, weights in PUBLIC_WEIGHTS.items():
        if is_fetched(name):
            rows.append((name, "here", f"weights, in {target_of(name)}"))
        else:
            rows.append((name, "not fetched", f"weights of a segmenter; {weights.size}"))
    width = max(len(row[0]) for row in rows)
    for name, state, text in rows:
        print(f"{name:{width}}  {state:11}  {text}")
    print("Fetch a public set with `vividpast data fetch NAME`; train on any with `--photos NAME`.")
    return 0


def _data_clips(options: argparse.Namespace) -> int:
    from ..film.synthetic import make_synthetic_films

    for path in make_synthetic_films(options.out):
        print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def _data_shards(options: argparse.Namespace) -> int:
    from ..photos.open import default_source
    from ..photos.pack_shards import write_shards

    shards = write_shards(options.photos or default_source(), options.out, options.photos_per_shard)
    size = sum(shard.stat().st_size for shard in shards)
    print(f"{len(shards)} shards ({size / 1e6:.1f} MB) -> {options.out}")
    return 0


def _data_class_colors(options: argparse.Namespace) -> int:
    from ..networks.segmenter_evaluation import class_colors
    from ..networks.segmenters import load_segmenter
    from ..photos.loader import ENOUGH_PHOTOS
    from ..photos.open import default_source, open_photos
    from ..runtime.devices import best_device
    from ..runtime.files import write_records

    photos = open_photos(options.photos or default_source(), "train").evenly_spaced(ENOUGH_PHOTOS)
    segmenter = load_segmenter(options.segmenter).to(best_device(options.device))
    colors, explained = class_colors(segmenter, photos)
    write_records(colors, options.out)
    print(
        f"{len(photos):,} photos: {explained:.1%} of the variance of ab lies between the classes, "
        f"the rest within them -> {options.out}"
    )
    return 0


def _data_fetch(options: argparse.Namespace) -> int:
    from ..runtime.downloads import (
        PUBLIC_SETS,
        PUBLIC_WEIGHTS,
        fetch,
        find_name,
        is_fetched,
        target_of,
    )

    name = find_name(options.name)
    if is_fetched(name):
        print(f"{name} is here already, in {target_of(name)}.")
        return 0
    known = PUBLIC_WEIGHTS.get(name) or PUBLIC_SETS[name]
    print(f"{name}: {known.what}")
    print(f"  size    {known.size} to fetch, {known.gigabytes:g} GB on disk while unpacking")
    print(f"  terms   {known.terms}")
    print(f"          {known.home}")
    print(f"  target  {target_of(name)}", flush=True)
    print(f"Fetched and checked: {fetch(name)}")
    return 0
