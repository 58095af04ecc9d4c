"""Demos to play with: thin widgets over functions that return pictures.

In a notebook, the last line of a cell shows one::

    from vividpast_lib.course.widgets import LabExplorer
    LabExplorer()

They need the extra ``course``.
"""

from .film_player import FilmPlayer
from .fusion_explorer import FusionExplorer
from .hint_painter import HintPainter
from .lab_explorer import LabExplorer
from .photo_colorizer import PhotoColorizer
from .training_monitor import TrainingMonitor

__all__ = [
    "FilmPlayer",
    "FusionExplorer",
    "HintPainter",
    "LabExplorer",
    "PhotoColorizer",
    "TrainingMonitor",
]
