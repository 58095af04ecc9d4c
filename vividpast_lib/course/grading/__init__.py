"""The instructor's side of the course: its exercises, the student edition, and grading.

Nothing here goes into the student edition.

::

    exercises/       the graded exercises: inputs and right answers
    release.py       the student edition
    submissions.py   what students hand in, read with care
    sandbox.py       students' code in a process of its own
    sandbox_worker/  all of this project that is inside the sandbox
    judging.py       an exercise's answers compared with what is right
    grading.py       a class's folder in, a table of grades out
    feedback.py      a page of HTML for each student
    gradebook.py     grades in nbgrader's gradebook
    selftest/        planted solutions and attacks, to see that grading can be trusted
    commands.py      the commands ``vividpast course ...``
"""
