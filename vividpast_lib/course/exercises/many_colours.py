"""Exercises of lesson 07: many colours."""

from .exercise import Lesson

EXERCISES: Lesson = []
