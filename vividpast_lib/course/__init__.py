"""The course: what its notebooks show and check, and the instructor's side.

::

    checks.py  the visible checks of the exercises
    figures/   plots, and pictures shown in a notebook
    widgets/   demos to play with
    grading/   releasing and grading; the student edition goes without it
"""
