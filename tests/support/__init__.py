"""What several tests use, and where the checkout is."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
