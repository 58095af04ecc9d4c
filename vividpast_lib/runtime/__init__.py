"""What the rest runs on: files, threads, devices, random numbers, processes, downloads, errors.

::

    errors.py       the one kind of error that is the user's to mend
    files.py        files written whole or not at all, locks, hashes, errors of writing
    threads.py      threads that compute side by side, and how many
    devices.py      which device to compute on, in which precision
    randomness.py   PyTorch's, drawn beside those of the caller
    distributed.py  several processes, one a device, that train as one
    downloads.py    public data sets and weights, fetched only when asked for
"""
