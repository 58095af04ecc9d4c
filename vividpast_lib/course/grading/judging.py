"""One exercise judged: inputs drawn anew go out, and what comes back is compared.

Nothing that comes back is trusted: it was made by the student's process.
"""

from typing import Any

import numpy as np

from .. import checks
from .exercises import Exercise
from .sandbox_worker import worker


class Trial:
    """Inputs of one exercise for one grading, and what is right for them.

    Parameters
    ----------
    exercise : Exercise
        The exercise.
    seed : int
        Seed of the inputs, not known to students.
    """

    def __init__(self, exercise: Exercise, seed: int) -> None:
        self.exercise = exercise
        random = np.random.default_rng([seed, *exercise.name.encode()])
        self.calls = exercise.inputs(random)
        self.right = [exercise.reference(*arguments) for arguments in self.calls]

    def for_worker(self, notebook: int, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
        """Describe the calls in JSON, and put the arrays that they need into ``inputs``."""
        calls = []
        for number, arguments in enumerate(self.calls):
            call = []
            for place, value in enumerate(arguments):
                key = f"{self.exercise.name}.{number}.{place}"
                call.append(_described(value, key, inputs))
            calls.append(call)
        seconds = self.exercise.seconds
        return {
            "notebook": notebook, "name": self.exercise.name, "calls": calls, "seconds": seconds,
        }  # fmt: skip

    def judge(self, header: dict[str, Any], body: bytes) -> str | None:
        """Judge a reply: what is wrong with it, or None if it is right.

        Parameters
        ----------
        header, body : dict, bytes
            From `sandbox.run`; nothing in them is trusted.
        """
        status = header.get("status")
        if status == "unsolved":
            return "not solved"
        if status == "raised":
            return f"stopped with {_printable(header.get('text'))}"
        if status == "late":
            return f"took longer than {self.exercise.seconds:g} s"
        if status == "too large":
            return f"gave back more than {worker.ANSWER_SIZE // 2**20} MB"
        if status != "answered":
            return "ended its process without an answer"
        try:
            arrays = _arrays(body)
            counts = [int(each) for each in header["counts"]]
        except (KeyError, TypeError, ValueError):
            return "what it gave back can't be read"
        for number, (arguments, right) in enumerate(zip(self.calls, self.right, strict=True)):
            try:
                fault = self._judge_call(number, arguments, right, arrays, counts)
            except (ArithmeticError, TypeError, ValueError):
                fault = "what it gave back can't be compared"
            if fault:
                return f"test {number + 1} of {len(self.calls)}: {fault}"
        return None

    def _judge_call(
        self,
        number: int,
        arguments: tuple[Any, ...],
        right: Any,
        arrays: dict[str, np.ndarray],
        counts: list[int],
    ) -> str | None:
        for place, value in enumerate(arguments):
            if _is_array(value):
                after = arrays.get(f"{number}.in.{place}")
                if after is None or not np.array_equal(after, checks.as_array(value)):
                    return "it changes its input"
        count = counts[number] if number < len(counts) else 0
        parts = [arrays.get(f"{number}.out.{place}") for place in range(max(1, min(count, 100)))]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            return "it gives back nothing"
        result: Any = tuple(found)
        if not isinstance(right, tuple):
            if count < 0:
                result = found[0]
            elif len({part.shape for part in found}) == 1:
                result = np.stack(found)  # a list of planes, say
        if isinstance(right, str):
            right = np.frombuffer(right.encode(), dtype=np.uint8)
            same = isinstance(result, np.ndarray) and np.array_equal(result, right)
            return None if same else "the answer is not right"
        return checks.difference(result, right, self.exercise.tolerance)


def _described(value: Any, key: str, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    if _is_array(value):
        inputs[key] = np.ascontiguousarray(checks.as_array(value))
        return {"kind": "array" if isinstance(value, np.ndarray) else "tensor", "value": key}
    return {"kind": "tuple" if isinstance(value, tuple) else "value", "value": value}


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or hasattr(value, "detach")


def _arrays(body: bytes) -> dict[str, np.ndarray]:
    """Read arrays that a student's process has sent.

    Raises
    ------
    ValueError
        If they are none.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(body) if body else {}
    except (SafetensorError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None


def _printable(text: object) -> str:
    kept = "".join(each for each in str(text) if each.isprintable())
    return kept[:300] or "an error"
