"""Demos to play with: widgets over functions that return pictures.

In a notebook, the last line of a cell shows one::

    from vividpast_lib.course.widgets import LabExplorer
    LabExplorer()

They need the extra ``course``.

::

    lab_explorer.py       Lab colours, the slice of sRGB's gamut, a photo to pick from
    photo_colorizer.py    photos before and after
    hint_painter.py       hints painted on a photo
    fusion_explorer.py    class maps painted over
    training_monitor.py   a network in training
    film_player.py        a film in grey beside the coloured one
    flicker_plot.py       ... the plot of one point over time
    played_film.py        ... its small frames
    interruptible.py      ... a colorizer that can be stopped
    demo.py               the base of the demos
    chooser.py            the base of the choosers
    photo_chooser.py      a bundled photo, or one's own
    film_chooser.py       a bundled film, or one's own
    parts.py              accessible sliders, pictures, uploads
    latest_job_runner.py  a thread for jobs, of which only the latest waits
    plots.py              plots drawn in threads
    words.py              colours in words
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
