"""Exercises of lesson 03: autoencoder."""

from .exercise import Lesson

EXERCISES: Lesson = []
