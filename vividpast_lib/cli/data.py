"""`vividpast data`: sets of photos, weights, and what is made of them."""

import argparse
import os
from pathlib import Path

from ..runtime.errors import VividPastError
from .options import add_photos, add_segmenter, positive, print_error, renamed_option


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `data` and its commands."""
    data = commands.add_parser("data", help="list and fetch sets of photos, and weights")
    data_commands = data.add_subparsers(required=True, metavar="COMMAND")
    listing = data_commands.add_parser("list", help="show which sets are there")
    listing.set_defaults(command=_data_list)
    fetching = data_commands.add_parser("fetch", help="fetch a public set, or weights")
    fetching.add_argument("name", metavar="NAME")
    fetching.set_defaults(command=_data_fetch)
    synthetic = data_commands.add_parser("synthetic", help="make the bundled films")
    clips = data_commands.add_parser("clips")  # the name that it had, for one release
    for parser, command in ((synthetic, _data_synthetic), (clips, _data_clips)):
        parser.add_argument("-o", "--out", required=True, type=Path, metavar="FOLDER")
        parser.set_defaults(command=command)
    shards = data_commands.add_parser(
        "shards",
        help="pack folders of photos as WebDataset shards: a few large files, to share or to move",
        description="Pack folders of photos as WebDataset shards: a few large tar files, with a "
        "manifest, that --photos takes as a set.",
    )
    add_photos(shards)
    shards.add_argument(
        "-o", "--out", required=True, type=Path, metavar="FOLDER",
        help="folder to make, for shards and manifest",
    )  # fmt: skip
    renamed_option(
        shards, "--photos-a-shard", "--photos-per-shard", type=positive(int), metavar="N",
        help="most photos in a shard (default: 1000; with --megabytes-per-shard, any number)",
    )  # fmt: skip
    shards.add_argument(
        "--megabytes-per-shard", type=positive(float), metavar="N",
        help="largest size of a shard, in 10^6 bytes",
    )  # fmt: skip
    shards.add_argument(
        "--side", type=positive(int), metavar="N",
        help="encode photos anew, as WebP with a shorter side of at most N pixels; a photo that is "
        "as small and takes fewer bytes stays as it is",
    )  # fmt: skip
    shards.add_argument(
        "--quality", type=positive(int), metavar="N",
        help="quality of the WebP files of --side, 1 to 100 (default: 80)",
    )  # fmt: skip
    shards.set_defaults(command=_data_shards)
    colors = data_commands.add_parser(
        "class-colors", help="measure which classes carry colour, on up to 5,000 training photos"
    )
    add_photos(colors)
    add_segmenter(colors)
    colors.add_argument("-o", "--out", required=True, type=Path, metavar="FILE.csv")
    colors.set_defaults(command=_data_class_colors)


def _data_list(_options: argparse.Namespace) -> int:
    from ..photos.open import PHOTOS_VARIABLE, default_source, open_photos
    from ..runtime.downloads import PUBLIC_SETS, PUBLIC_WEIGHTS, is_fetched, target_of

    rows = []
    for name in dict.fromkeys(["bundled", *default_source()]):
        try:
            counts = [len(open_photos(name, split)) for split in ("train", "val")]
            rows.append((name, "here", f"{counts[0]:,} train, {counts[1]:,} val"))
        except VividPastError as error:
            rows.append((name, "unusable", str(error)))
    if not os.environ.get(PHOTOS_VARIABLE):
        rows.append((f"${PHOTOS_VARIABLE}", "not set", "may name folders of photos of yours"))
    for name, known in [*PUBLIC_SETS.items(), *PUBLIC_WEIGHTS.items()]:
        if is_fetched(name):
            rows.append((name, "here", f"{known.what}, in {target_of(name)}"))
        else:
            rows.append((name, "not fetched", f"{known.what}; {known.size}"))
    width = max(len(row[0]) for row in rows)
    for name, state, text in rows:
        print(f"{name:{width}}  {state:11}  {text}")
    print("Fetch a public set with `vividpast data fetch NAME`; train on any with `--photos NAME`.")
    return 0


def _data_fetch(options: argparse.Namespace) -> int:
    from ..runtime import downloads

    name = downloads.find_name(options.name)
    target = downloads.target_of(name)
    if downloads.is_fetched(name):
        print(f"{name} is here already, in {target}.")
        return 0
    known = downloads.PUBLIC_WEIGHTS.get(name) or downloads.PUBLIC_SETS[name]
    print(f"{name}: {known.what}")
    print(f"  size    {known.size} to fetch, {known.gigabytes:g} GB on disk while unpacking")
    print(f"  terms   {known.terms}")
    print(f"          {known.home}")
    print(f"  target  {target}", flush=True)
    print(f"Fetched and checked: {downloads.fetch(name)}")
    return 0


def _data_clips(options: argparse.Namespace) -> int:
    print_error("data clips is now called data synthetic.")
    return _data_synthetic(options)


def _data_synthetic(options: argparse.Namespace) -> int:
    from ..film.synthetic import make_synthetic_films

    for path in make_synthetic_films(options.out):
        print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def _data_shards(options: argparse.Namespace) -> int:
    from ..photos.open import default_source
    from ..photos.pack_shards import write_shards

    if options.quality and not options.side:
        raise VividPastError("--quality is that of photos encoded anew: add --side N, too.")
    shards = write_shards(
        options.photos or default_source(), options.out, options.photos_per_shard,
        megabytes_per_shard=options.megabytes_per_shard, side=options.side,
        quality=options.quality or 80, progress=options.side is not None,
    )  # fmt: skip
    size = sum(shard.stat().st_size for shard in shards)
    print(f"{len(shards)} shards ({size / 1e6:.1f} MB) -> {options.out}")
    return 0


def _data_class_colors(options: argparse.Namespace) -> int:
    from ..networks.segmenter_evaluation import class_colors
    from ..networks.segmenters import load_segmenter
    from ..photos.loader import ENOUGH_PHOTOS
    from ..photos.open import default_source, open_photos
    from ..runtime.devices import best_device
    from ..runtime.files import check_output_file, write_records

    check_output_file(options.out)
    photos = open_photos(options.photos or default_source(), "train").evenly_spaced(ENOUGH_PHOTOS)
    segmenter = load_segmenter(options.segmenter).to(best_device(options.device))
    colors, explained = class_colors(segmenter, photos)
    write_records(options.out, colors)
    print(
        f"{len(photos):,} photos: {explained:.1%} of the variance of ab lies between the classes, "
        f"the rest within them -> {options.out}"
    )
    return 0
