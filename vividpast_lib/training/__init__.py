"""Training: a task in, a trained network out, in a folder from which a run goes on.

::

    settings.py       what a run is trained with
    task.py           what a run learns: its photos, network and losses
    colorizing.py     the task of colorizing networks: photos in Lab
    segmenting.py     the task of the segmenter: a teacher's class maps
    augment.py        photos made to look old
    task_registry.py  the task that the settings name
    loop.py           fit: one loop, with validation
    run_folder.py     a run's state, weights and history
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "loop": ["Step", "fit"],
        "task_registry": ["open_task"],
        "run_folder": ["read_history"],
        "settings": ["RECIPE_2018", "Settings"],
    },
)
