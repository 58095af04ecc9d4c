"""The check of grading would notice if grades could not be trusted."""

import pytest

from vividpast_lib.course.grading import judging, sandbox
from vividpast_lib.course.grading.selftest import check
from vividpast_lib.course.grading.selftest.planting import Planted, planted

pytestmark = pytest.mark.skipif(
    sandbox.bubblewrap_problem() is not None,
    reason=f"no sandbox: {sandbox.bubblewrap_problem()}; install the extra `grading` on Linux",
)


@pytest.fixture(autouse=True)
def _one_lesson(monkeypatch, lessons):
    """Plant a right and a wrong solution of one exercise of one lesson, and one attack."""
    for name in list(lessons):
        if name != check.ATTACKED:
            del lessons[name]
    cells = [each for each in planted("lab_color") if each.exercise == "srgb_from_light"]
    few = [
        next(each for each in cells if each.kind == "wrong"),
        next(each for each in cells if each.kind == "right"),
    ]
    attack = Planted("srgb_from_light", "attack", "zeros", "def srgb_from_light(x): return 0 * x")
    monkeypatch.setattr(check, "planted", lambda name: [attack] if name == "attacks" else few)
    monkeypatch.setattr(check, "_FILES", {"edited tests": check._edited_tests})


def faults_of(outcome: check.SelfTest) -> set[str]:
    return {each.what.split(":")[0] for each in outcome.faults}


def test_all_get_their_due():
    outcome = check.check("bubblewrap")
    assert faults_of(outcome) == set()
    assert check.matrix(outcome).endswith("every one got its due")
    assert "1 of 1        1 of 1" in check.matrix(outcome)


def test_grading_that_lets_all_pass_is_noticed(monkeypatch):
    monkeypatch.setattr(judging.Trial, "judge", lambda *_: None)
    outcome = check.check("bubblewrap")
    assert faults_of(outcome) == {
        "blank edition",
        "srgb_from_light, wrong",
        "zeros",
        "edited tests",
    }
    assert "NOT ITS DUE: blank edition" in check.matrix(outcome)


def test_grading_that_fails_all_is_noticed(monkeypatch):
    monkeypatch.setattr(judging.Trial, "judge", lambda *_: "wrong")
    outcome = check.check("bubblewrap")
    expected = {"full edition", "srgb_from_light, wrong", "srgb_from_light, right"}
    assert faults_of(outcome) == expected
