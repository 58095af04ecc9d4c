"""Exercises of lesson 05: fusion."""

from .exercise import Lesson

EXERCISES: Lesson = []
