"""Solutions and attacks that are planted to see that grading can be trusted.

The files in ``planted/`` are never imported: each is read as text, and cut at its marks, lines such
as ``# %% keep_lightness, wrong: the network's lightness``. What follows a mark takes the place of a
student's cell. There are ``right`` solutions, which keep the points, ``wrong`` ones, which lose
them, and ``attack``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"^# %% (\w+), (right|wrong|attack): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Planted:
    """A planted cell.

    Parameters
    ----------
    exercise : str
        What it answers.
    kind : str
        "right", "wrong" or "attack".
    what : str
        In a few words.
    source : str
        The cell.
    """

    exercise: str
    kind: str
    what: str
    source: str


def planted(name: str) -> list[Planted]:
    """Read the planted cells of a lesson (named as its exercises' file), or "attacks"."""
    text = Path(__file__).parent.joinpath("planted", f"{name}.py").read_text("utf-8")
    _, *parts = _MARK.split(text)
    groups = zip(parts[0::4], parts[1::4], parts[2::4], parts[3::4], strict=True)
    return [Planted(exercise, kind, what, cell.strip()) for exercise, kind, what, cell in groups]
