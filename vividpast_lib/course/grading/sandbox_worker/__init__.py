"""All of this project that is inside the sandbox; it imports nothing from outside this folder.

::

    worker.py    calls a student's function on the grader's inputs, sends arrays back
    excerpt.py   takes a function out of a notebook, with what it uses
    landlock.py  shuts the process off from files and network
"""
