"""VividPast: colorize black-and-white photos and film, and learn how it is done.

The files, in the order a photo passes through them::

    pictures.py     one picture file <-> one array, with nothing lost
    photos.py       sets of photos in, batches of Lab tensors out
    downloads.py    public data sets, fetched only when asked for
    lab.py          sRGB <-> CIE Lab, what sRGB can show, scaling for the networks
    models.py       the networks: lightness in, ab out
    metrics.py      how far off the colours are
    devices.py      which device to compute on, in which precision
    training.py     one loop: fit, validate, checkpoint, resume
    checkpoints.py  networks <-> safetensors files
    colorizer.py    a photo in, a coloured photo of the same size out
    jobs.py         many photos in one call: what goes where
    figures.py      the course's plots and contact sheets
    cli.py          the command line, one thin command a function above
    errors.py       the one kind of error that is the user's to mend

Importing the package loads no weights and fetches nothing.
"""

__version__ = "0.1.0"
