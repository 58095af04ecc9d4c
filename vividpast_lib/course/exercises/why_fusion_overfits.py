"""Exercises of lesson 06: why fusion overfits."""

from .exercise import Lesson

EXERCISES: Lesson = []
