"""VividPast: colorize black-and-white photos and film, and learn how it is done.

The packages, each of which imports only from those above it::

    runtime/   files, threads, devices, several processes, downloads, errors
    color/     sRGB and CIE Lab, bins of ab, upsampling, metrics
    photos/    picture files, sets of photos, batches of crops
    networks/  the colorizing networks and the segmenters, with their weights
    training/  tasks, the loop, run folders
    colorize/  a photo in, a coloured photo out; hints, evaluation, export
    film/      a film in, a coloured film out; archives of films
    course/    what the notebooks show, check and study; grading
    cli/       the command line

``import vividpast_lib as vp`` has the names below, each imported when it is first used. Importing
the package loads no torch and no weights, and downloads nothing.
"""

import lazy_loader

__version__ = "0.1.0"

#: The public names, and where each lives.
_PUBLIC = {
    "Colorizer": "colorize.colorizer",  # a photo in, a coloured photo of the same size out
    "Stroke": "colorize.strokes",  # a hint: a stroke of colour on a photo
    "colorize_film": "film.film_files",  # a film file in, a coloured film file out
    "join_photos": "colorize.joined_photos",  # a photo and another tool's colours, joined: files
    "join_colors": "colorize.joined_photos",  # ... and arrays
    "join_films": "film.joined_films",  # a film and another tool's colours, joined
    "colorize_frames": "film.pipeline",  # grey frames in, coloured frames out
    "open_photos": "photos.open",  # a set of photos, by name or folder
    "bundled_folder": "photos.open",  # where what comes with the project lies
    "load_lab": "photos.loader",  # a small set of photos as one Lab tensor
    "read_picture": "photos.picture_reading",  # a picture file -> a picture
    "write_picture": "photos.picture_writing",  # a picture -> a picture file
    "fit": "training.loop",  # trains a network
    "open_task": "training.task_registry",  # photos and settings -> what `fit` trains
    "Settings": "training.settings",  # what a run is trained with
    "read_history": "training.run_folder",  # the losses of a run, epoch by epoch
    "rgb_to_lab": "color.lab",  # sRGB -> CIE Lab
    "lab_to_rgb": "color.lab",  # CIE Lab -> sRGB
    "fit_to_srgb": "color.gamut",  # colours weakened until sRGB can show them
    "UNIT_SCALING": "color.scaling",  # Lab scaled for the networks
    "ab_l1": "color.metrics",  # the error of colours in Lab units
    "load_checkpoint": "networks.checkpoints",  # a network and how to feed it
    "load_segmenter": "networks.segmenters",  # a segmenter: a grey photo -> the class at each place
    "best_device": "runtime.devices",  # CUDA where there is one, else the CPU
    "VividPastError": "runtime.errors",  # bad input, said in one sentence
}

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "cli",
        "color",
        "colorize",
        "course",
        "film",
        "networks",
        "photos",
        "runtime",
        "training",
    ],
    submod_attrs={
        module: [name for name in _PUBLIC if _PUBLIC[name] == module] for module in _PUBLIC.values()
    },
)
