"""Exercises of lesson 08: film."""

from .exercise import Lesson

EXERCISES: Lesson = []
