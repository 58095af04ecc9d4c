"""VividPast: colorize black-and-white photos and film, and learn how it is done.

The files, in the order a photo passes through them::

    pictures.py     one picture file <-> one array, with nothing lost
    photos.py       sets of photos: bundled, your own, public
    downloads.py    public data sets and weights, fetched only when asked for
    lab.py          sRGB <-> CIE Lab, what sRGB can show, scaling for the networks
    batches.py      squares cut out of a set, batches of Lab tensors out
    ab_bins.py      colour as a choice among bins of ab
    semantics.py    segmenters: lightness in, class maps and a feature pyramid out
    models.py       the networks: lightness (and class maps) in, ab out
    upsampling.py   a small ab map brought to full size, guided by the lightness
    metrics.py      how far off the colours are
    devices.py      which device to compute on, in which precision
    tasks.py        what a run learns: its photos, network, loss and figures
    training.py     one loop: fit, validate, checkpoint, resume
    checkpoints.py  networks <-> safetensors files
    colorizer.py    a photo in, a coloured photo of the same size out
    evaluation.py   a model judged on photos that it never saw
    trade_off.py    error against colorfulness, for each way to answer
    arms.py         networks that differ only in what is fused, and how
    study.py        trains them alike
    jobs.py         many photos in one call: what goes where
    figures.py      the course's plots and contact sheets
    cli.py          the command line, one thin command a function above
    errors.py       the one kind of error that is the user's to mend

Importing the package loads no weights and fetches nothing.
"""

__version__ = "0.1.0"
