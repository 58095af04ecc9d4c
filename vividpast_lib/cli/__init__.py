"""The command line, `vividpast`: a module a command, its options beside what it does.

::

    main.py      the parser of all commands, and how errors end
    options.py   what several commands share
    colorize.py  colorize: photos and films; segment: the class map of a photo
    join.py      join: the colours of another tool's picture or film on the original
    archive.py   archive: all films below a folder
    train.py     train: a network; study: the variants of lesson 06
    export.py    export: a model for other programs
    evaluate.py  evaluate: how good models are
    data.py      data: sets of photos, and weights
    course.py    course: its release to students, and their grades
"""
