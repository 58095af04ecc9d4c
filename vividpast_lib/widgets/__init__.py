"""Demos to play with: thin widgets over functions that return pictures.

In a notebook, the last line of a cell shows one::

    from vividpast_lib.widgets import LabExplorer
    LabExplorer()

They need the extra ``course``.
"""

from .colorizer import Colorizer
from .film_player import FilmPlayer
from .fusion_explorer import FusionExplorer
from .hint_painter import HintPainter
from .lab_explorer import LabExplorer
from .training_monitor import TrainingMonitor

__all__ = [
    "Colorizer",
    "FilmPlayer",
    "FusionExplorer",
    "HintPainter",
    "LabExplorer",
    "TrainingMonitor",
]
