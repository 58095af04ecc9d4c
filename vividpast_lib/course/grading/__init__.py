"""The instructor's side of the course: its exercises, the student edition, and grading.

Nothing here goes into the student edition.
"""
