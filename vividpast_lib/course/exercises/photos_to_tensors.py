"""Exercises of lesson 02: photos to tensors."""

from .exercise import Lesson

EXERCISES: Lesson = []
