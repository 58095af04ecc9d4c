"""`vividpast evaluate`: models measured on colour photos and films, made grey."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.errors import VividPastError
from .options import add_device, add_photos, check_unused, print_error

if TYPE_CHECKING:
    from ..photos.photo_set import PhotoSet


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `evaluate`."""
    evaluate = commands.add_parser(
        "evaluate", help="measure models on colour photos or films, made grey",
        description="Make colour photos or films grey, colour them with models, and measure how "
        "far the colours are from the true ones. README.md explains manifests, docs/glossary.md "
        "the metrics.",
    )  # fmt: skip
    evaluate.add_argument(
        "--model", metavar="NAME|FILE",
        help="a shipped model, a model.safetensors, or a segmenter (lite, deeplabv3); by default "
        "all shipped models",
    )  # fmt: skip
    add_photos(evaluate)
    evaluate.add_argument(
        "--split", choices=("train", "val", "all"),
        help="photos for training, for validation, or both (default: val)",
    )  # fmt: skip
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluate.add_argument(
        "--each-photo", type=Path, metavar="FILE.csv", help="also write the metrics of each photo"
    )
    evaluate.add_argument(
        "--trade-off", type=Path, metavar="FILE.csv",
        help="instead of the table, write error against colorfulness for every way to decode the "
        "distribution that a model predicts, on crops of 128 px",
    )  # fmt: skip
    evaluate.add_argument(
        "--film", nargs="+", type=Path, metavar="FILM",
        help="measure on colour films, made grey, instead of photos: how steady the colours are",
    )  # fmt: skip
    evaluate.add_argument(
        "--by", choices=("source", "label"),
        help="also print a row for each value of this column of the sets' manifests; where there "
        "is no source, it is the name of the set's folder",
    )  # fmt: skip
    evaluate.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE",
        help="measure only photos that have this value in this column of the manifest, as "
        "source=faces; if repeated, photos to which all apply",
    )  # fmt: skip
    add_device(evaluate)
    evaluate.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    if options.film:
        check_unused(
            options, "--film", "--photos", "--split", "--each-photo", "--trade-off", "--by",
            "--where",
        )  # fmt: skip
        return _evaluate_films(options)
    if options.trade_off:
        check_unused(options, "--trade-off", "--each-photo", "--json", "--by")
    options.split = options.split or "val"
    return _trade_off(options) if options.trade_off else _evaluate_photos(options)


def _open_photos(options: argparse.Namespace, class_maps: bool = False) -> "PhotoSet":
    from ..photos.open import default_source, open_class_maps, open_photos

    source = options.photos or default_source()
    split = None if options.split == "all" else options.split
    photos = (open_class_maps if class_maps else open_photos)(source, split)
    for condition in options.where:
        column, equals, value = condition.partition("=")
        if not equals:
            raise VividPastError(f"--where {condition}: write it as COLUMN=VALUE.")
        values = _column(photos, column)
        chosen = [index for index, each in enumerate(values) if each == value]
        if not chosen:
            raise VividPastError(f"{photos.title}: has no photo whose {column} is {value}.")
        photos = photos.subset(chosen)
    return photos


def _column(photos: "PhotoSet", column: str) -> list[str]:
    if column not in photos.columns:
        raise VividPastError(
            f"{photos.title}: its manifest has no column {column}; there are "
            f"{', '.join(sorted(photos.columns))}."
        )
    return photos.columns[column]


def _as_json(report: dict[str, Any]) -> str:
    """Encode a report as JSON, which has null for what is no finite number."""
    return json.dumps(json.loads(json.dumps(report), parse_constant=lambda _: None), indent=2)


def _evaluate_photos(options: argparse.Namespace) -> int:
    from ..colorize.colorizer import load_colorizers
    from ..colorize.evaluation import colorizer_report, score_photos, write_scores
    from ..colorize.evaluation_tables import colorizer_table, group_table
    from ..networks.checkpoints import shipped_models
    from ..networks.segmenter_evaluation import segmenter_report, segmenter_table
    from ..networks.segmenters import SEGMENTERS, load_segmenter
    from ..runtime.devices import best_device
    from ..runtime.files import check_output_file

    segments = options.model in SEGMENTERS
    if segments:
        check_unused(options, f"--model {options.model}, a segmenter,", "--by")
    if options.each_photo and (segments or not options.model):
        raise VividPastError(
            "--each-photo writes the metrics of one colorizer: name it by --model."
        )
    if options.each_photo:
        check_output_file(options.each_photo)
    device = best_device(options.device)
    photos = _open_photos(options, class_maps=segments)
    if segments:
        segmenter = load_segmenter(options.model).to(device)
        report = segmenter_report(segmenter, photos)
        print(_as_json(report) if options.json else segmenter_table(report))
        return 0
    colorizers = load_colorizers([options.model] if options.model else shipped_models(), device)
    groups = _column(photos, options.by) if options.by else None
    scores = list(score_photos(colorizers, photos, load_segmenter().to(device), groups))
    report = colorizer_report(scores, photos.title, options.split)
    if options.each_photo:
        write_scores(scores, options.each_photo)
    if options.json:
        print(_as_json(report))
        return 0
    print(colorizer_table(report))
    if options.by:
        print("", group_table(report, options.by), sep="\n")
    return 0


def _evaluate_films(options: argparse.Namespace) -> int:
    from ..colorize.colorizer import load_colorizers
    from ..film.evaluation import film_report, film_table, score_film
    from ..networks.checkpoints import DEFAULT_MODEL

    colorizers = load_colorizers([options.model or DEFAULT_MODEL], options.device)
    scores = []
    for film in options.film:
        try:
            scores.append(score_film(colorizers, film))
        except VividPastError as error:
            print_error(error)
    if scores:
        report = film_report(scores)
        print(_as_json(report) if options.json else film_table(report))
    return 0 if len(scores) == len(options.film) else 2


def _trade_off(options: argparse.Namespace) -> int:
    from ..colorize.colorizer import Colorizer
    from ..colorize.trade_off import measure_trade_off
    from ..networks.checkpoints import DEFAULT_MODEL
    from ..runtime.files import check_output_file, write_records

    check_output_file(options.trade_off)
    photos = _open_photos(options)
    colorizer = Colorizer.load(options.model or DEFAULT_MODEL, options.device)
    points = measure_trade_off(colorizer, photos)
    write_records(options.trade_off, points)
    print(f"{len(photos):,} photos of {photos.title}, {len(points)} points -> {options.trade_off}")
    return 0
