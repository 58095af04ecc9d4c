"""The course: what its notebooks show, check and study, and the instructor's side.

::

    checks.py  the visible checks of the exercises
    figures/   plots, and pictures shown in a notebook
    ablation/  the study of lesson 06: networks that differ only in what is fused, and how
    widgets/   demos to play with
    grading/   releasing and grading; the student edition goes without it
"""
