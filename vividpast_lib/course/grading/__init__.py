"""The instructor's side of the course: its exercises, the student edition, and grading.

Nothing here goes into the student edition.

::

    release.py       the full edition in, the student edition out
    submissions.py   what was handed in, read with care
    exercises/       what each exercise is called with, and what is right
    sandbox_worker/  inside the sandbox: a student's function called on the grader's inputs
    sandbox.py       the sandbox around it
    judging.py       what comes out of the sandbox, compared with what is right
    grading.py       a student's notebooks in, a report out; a class in, a table out
    feedback.py      a page for each student
    gradebook.py     grades into nbgrader's gradebook
    selftest/        planted submissions, which show whether grades can be trusted
"""
