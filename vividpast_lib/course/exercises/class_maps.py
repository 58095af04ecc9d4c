"""Exercises of lesson 04: class maps."""

from .exercise import Lesson

EXERCISES: Lesson = []
