"""Plots, and figures and films shown in a notebook.

::

    plots.py     the course's plots
    notebook.py  a figure or a film shown in a notebook
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "notebook": ["show", "show_film"],
        "plots": ["ab_distribution", "flow_picture", "lab_plane", "loss_curves", "photo_grid"],
    },
)
