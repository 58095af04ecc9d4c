"""Public data sets and weights, fetched only when asked for.

torchvision fetches the data sets and checks their MD5; PyTorch's hub fetches weights and checks
the SHA-256 that their file names begin with.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from ssl import SSLError
from urllib.error import URLError

from torch.hub import download_url_to_file
from torch.utils.data import ConcatDataset, Dataset
from torchvision import datasets
from torchvision.models import segmentation

from .errors import VividPastError

#: The environment variable that names the folder for fetched data sets.
DATA_VARIABLE = "VIVIDPAST_DATA"


@dataclass(frozen=True)
class _Public:
    """What to know before fetching.

    Parameters
    ----------
    what, size, terms, home : str
        Contents, size of the download, terms of use, and home page, in words.
    gigabytes : float
        Disk space that fetching needs, archive and contents together.
    """

    what: str
    size: str
    terms: str
    home: str
    gigabytes: float


@dataclass(frozen=True)
class PublicSet(_Public):
    """A public data set; ``open`` makes torchvision's from folder, split, and whether to fetch."""

    open: Callable[[Path, str, bool], Dataset]


@dataclass(frozen=True)
class PublicWeights(_Public):
    """Published weights; the last eight digits of the URL's stem begin their SHA-256."""

    url: str


PUBLIC_SETS = {
    "Imagenette": PublicSet(
        "9,469 train, 3,925 val, shorter side 320 px",
        "342 MB",
        "part of ImageNet: research and teaching, non-commercial",
        "https://github.com/fastai/imagenette",
        0.8,
        lambda root, split, download: datasets.Imagenette(root, split, "320px", download),
    ),
    "OxfordIIITPet": PublicSet(
        "3,680 train, 3,669 val, about 500 px",
        "811 MB",
        "CC BY-SA 4.0",
        "https://www.robots.ox.ac.uk/~vgg/data/pets/",
        1.8,
        lambda root, split, download: datasets.OxfordIIITPet(
            root, "trainval" if split == "train" else "test", download=download
        ),
    ),
    "Flowers102": PublicSet(
        "1,020 train, 1,020 val, about 500 px",
        "345 MB",
        "no licence stated; photos collected from the web for research",
        "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
        0.8,
        lambda root, split, download: datasets.Flowers102(root, split, download=download),
    ),
    "STL10": PublicSet(
        "5,000 train, 8,000 val, 96 x 96 px",
        "2.6 GB",
        "part of ImageNet: research and teaching, non-commercial",
        "https://cs.stanford.edu/~acoates/stl10/",
        6.0,
        lambda root, split, download: datasets.STL10(
            root, "train" if split == "train" else "test", download=download
        ),
    ),
    "Places365": PublicSet(
        "1,803,460 train, 36,500 val, 256 x 256 px",
        "26 GB",
        "research and teaching, non-commercial; photos under their owners' terms",
        "http://places2.csail.mit.edu/",
        54.0,
        lambda root, split, download: datasets.Places365(
            root, "train-standard" if split == "train" else "val", small=True, download=download
        ),
    ),
}


PUBLIC_WEIGHTS = {
    "deeplabv3": PublicWeights(
        "DeepLabV3-MobileNetV3, a segmenter of the 21 classes of PASCAL VOC, trained on COCO",
        "42 MB",
        "BSD 3-Clause, as torchvision; COCO's photos under their owners' terms",
        "https://docs.pytorch.org/vision/stable/models.html",
        0.05,
        segmentation.DeepLabV3_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1.url,
    ),
}


def data_folder() -> Path:
    """Folder of fetched data: that named by `DATA_VARIABLE`, else one in the user's cache."""
    return Path(os.environ.get(DATA_VARIABLE) or Path.home() / ".cache" / "vividpast")


def find_name(name: str) -> str:
    """Find the name of a public set or weights, in whatever capitals it is given."""
    names = [*PUBLIC_SETS, *PUBLIC_WEIGHTS]
    for known in names:
        if known.lower() == name.lower():
            return known
    raise VividPastError(f"{name}: can't be fetched; there are {', '.join(names)}.")


def is_fetched(name: str) -> bool:
    """Tell whether a public set or weights lie complete in `data_folder`."""
    return target_of(name).exists()


def target_of(name: str) -> Path:
    """Path of a public set or weights once they are fetched: a folder, or a file."""
    if name in PUBLIC_WEIGHTS:
        return data_folder() / "weights" / Path(PUBLIC_WEIGHTS[name].url).name
    return data_folder() / name


def fetched_path(name: str) -> Path:
    """Path of a public set or weights; VividPastError if they have not been fetched."""
    if not is_fetched(name):
        size = (PUBLIC_WEIGHTS.get(name) or PUBLIC_SETS[name]).size
        raise VividPastError(
            f"{name}: has not been fetched; run `vividpast data fetch {name}` ({size})."
        )
    return target_of(name)


def fetch(name: str) -> Path:
    """Download a public set or weights, check and unpack them, and return where they are.

    They appear under their name only when complete; an interrupted fetch starts anew.

    Raises
    ------
    VividPastError
        If there is no network or too little space, or a checksum is wrong.
    """
    target = target_of(name)
    if target.exists():
        return target
    known = PUBLIC_WEIGHTS.get(name) or PUBLIC_SETS[name]
    unfinished = data_folder() / f".{name}.unfinished"
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        if shutil.disk_usage(unfinished).free < known.gigabytes * 1e9:
            raise VividPastError(
                f"{data_folder()}: has too little space for {name}, which needs "
                f"{known.gigabytes:g} GB; set {DATA_VARIABLE} to a folder on a larger disk."
            )
        if isinstance(known, PublicWeights):
            file = unfinished / target.name
            download_url_to_file(known.url, str(file), file.stem.split("-")[-1])
            target.parent.mkdir(exist_ok=True)
            file.rename(target)
            return target
        for split in ("train", "val"):
            known.open(unfinished, split, True)
        for archive in (*unfinished.rglob("*.tgz"), *unfinished.rglob("*.tar*")):
            archive.unlink()
        unfinished.rename(target)
    except (URLError, HTTPException, ConnectionError, TimeoutError, SSLError) as error:
        reason = getattr(error, "reason", None) or str(error).strip() or type(error).__name__
        raise VividPastError(
            f"{name}: could not be fetched ({reason}); check the network and try again."
        ) from None
    except RuntimeError:
        raise VividPastError(
            f"{name}: what came does not match its checksum and was thrown away; try again later."
        ) from None
    except OSError as error:  # of files: most of those of connections are OSErrors too
        raise VividPastError(
            f"{data_folder()}: can't be written ({error.strerror or error}); make room there, or "
            f"set {DATA_VARIABLE} to another folder."
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def open_public(name: str, split: str | None = None) -> ConcatDataset:
    """Open a fetched set: (image, target) pairs of one split, "train" or "val", or of both."""
    folder = fetched_path(name)
    splits = [split] if split else ["train", "val"]
    try:
        return ConcatDataset([PUBLIC_SETS[name].open(folder, part, False) for part in splits])
    except ImportError as error:
        raise VividPastError(
            f"{name}: needs the package {error.name}; run `pip install {error.name}`."
        ) from None
    except (RuntimeError, OSError):
        raise VividPastError(f"{folder}: is incomplete; delete it and fetch it again.") from None
