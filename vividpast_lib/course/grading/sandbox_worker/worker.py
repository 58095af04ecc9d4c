"""What runs inside the sandbox: a student's code on the grader's inputs; arrays are sent back.

The sandbox holds this folder, Python, NumPy and PyTorch, and nothing else of the course: no
solutions, no answers, no other student's work. `judging` decides, outside, what the arrays are
worth: whatever the student's code does to this process, it gains nothing but what it computes.

Messages, in both directions: one line of JSON with the number of bytes that follow, then these
bytes, in the safetensors format, which can hold arrays and nothing that would be run.
"""

import contextlib
import ctypes
import io
import json
import os
import select
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from .excerpt import define, statements
from .landlock import restrict

#: A student's code is run as this user where the grader is root: nobody, as everywhere on Linux.
NOBODY = 65534
#: What one exercise may use, beside its time.
MEMORY = 2 * 2**30
FILE_SIZE = 16 * 2**20
OPEN_FILES = 64
#: The most that comes back of one exercise.
ANSWER_SIZE = 8 * 2**20
#: The longest line of JSON that comes back.
HEADER_SIZE = 8192
#: The longest text of an error that is passed on.
TEXT_SIZE = 300


def send(stream: IO[bytes], header: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write one message: a header of JSON and arrays by name."""
    from safetensors.numpy import save

    body = save(arrays) if arrays else b""
    stream.write(json.dumps({**header, "size": len(body)}).encode() + b"\n" + body)
    stream.flush()


def receive(stream: IO[bytes], most: int, longest_header: int) -> tuple[dict[str, Any], bytes]:
    """Read one message's header and its bytes.

    Raises
    ------
    EOFError
        If nothing comes any more.
    ValueError
        If it isn't a message, or is larger than allowed.
    """
    line = stream.readline(longest_header + 1)
    if not line:
        raise EOFError
    if not line.endswith(b"\n"):
        raise ValueError("no message")
    try:
        header = json.loads(line)
        size = header["size"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("no message") from None
    if not isinstance(size, int) or not 0 <= size <= most:
        raise ValueError("too large")
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    return header, body


# One exercise.


def answer(
    exercise: dict[str, Any], inputs: dict[str, Any], cells: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the header and the arrays that one exercise sends back."""
    arrays: dict[str, Any] = {}
    counts: list[int] = []
    try:
        value, problem = define(exercise["name"], statements(cells))
        for number, call in enumerate(exercise["calls"]):
            arguments = [_argument(each, inputs) for each in call]
            try:
                result = value(*arguments)
            except NameError as error:
                raise problem or error from None
            counts.append(_collect(result, f"{number}.out", arrays))
            for place, given in enumerate(call):
                if given["kind"] in ("array", "tensor"):
                    arrays[f"{number}.in.{place}"] = _array(arguments[place])
    except NotImplementedError:
        return {"status": "unsolved"}, {}
    except BaseException as error:
        return {"status": "raised", "text": _error_text(error)}, {}
    return {"status": "answered", "counts": counts}, arrays


def _argument(given: dict[str, Any], inputs: dict[str, Any]) -> Any:
    kind, value = given["kind"], given["value"]
    if kind == "array":
        return inputs[value].copy()
    if kind == "tensor":
        import torch

        return torch.from_numpy(inputs[value].copy())
    return tuple(value) if kind == "tuple" else value


def _collect(result: Any, prefix: str, arrays: dict[str, Any]) -> int:
    """Put a result's arrays under ``prefix``; -1 says that it is one, else how many of a tuple."""
    if isinstance(result, tuple | list) and len(result) <= 100:
        try:
            parts = [_array(each) for each in result]
        except TypeError:
            parts = [_array(result)]
        for number, part in enumerate(parts):
            arrays[f"{prefix}.{number}"] = part
        return len(parts)
    arrays[f"{prefix}.0"] = _array(result)
    return -1


def _array(value: Any) -> Any:
    """Copy tensors, arrays, numbers and texts (as UTF-8) into plain arrays."""
    import numpy as np

    if isinstance(value, str):
        return np.frombuffer(value.encode(), dtype=np.uint8)
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.double() if value.is_floating_point() else value).numpy()
    array = np.array(value)
    if array.dtype.kind not in "biuf":
        kind = type(value).__name__
        raise TypeError(f"gives back a {kind}, not an array, a tensor or a number")
    kept = array.dtype if array.dtype.kind != "f" else np.float64
    return np.ascontiguousarray(array.astype(kept)).reshape(array.shape)


def _error_text(error: BaseException) -> str:
    with contextlib.suppress(Exception):
        text = " ".join(str(error).split())
        return f"{type(error).__name__}: {text}"[:TEXT_SIZE]
    return "an error without a text"


# The process. It reads the task, loads the packages once, and forks for every exercise.


def main() -> None:
    """Answer the task on standard input, exercise by exercise, on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task, body = receive(sys.stdin.buffer, 2**31, 2**31)
    from safetensors.numpy import load

    inputs = load(body) if body else {}
    if task["torch"]:
        import torch

        torch.set_num_threads(1)
        torch.nn.functional.conv2d(torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 1, 1))
    ready, _ = _in_a_fork(_READY, {}, ["def ready(): return 1"], task["readable"])
    if ready["status"] != "answered":  # the machine's fault, which must cost no one points
        sys.exit("an exercise can't be run here")
    for number, exercise in enumerate(task["exercises"]):
        send(sys.stdout.buffer, {"exercise": number, "status": "begun"}, {})
        cells = task["notebooks"][exercise["notebook"]]
        header, body = _in_a_fork(exercise, inputs, cells, task["readable"])
        sys.stdout.buffer.write(
            json.dumps({**header, "exercise": number, "size": len(body)}).encode() + b"\n" + body
        )
        sys.stdout.buffer.flush()


_READY = {"name": "ready", "calls": [[]], "seconds": 60}


def _in_a_fork(
    exercise: dict[str, Any], inputs: dict[str, Any], cells: list[str], readable: list[str] | None
) -> tuple[dict[str, Any], bytes]:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            _confine(exercise["seconds"], theirs, readable)
            header, arrays = answer(exercise, inputs, cells)
            buffer = io.BytesIO()
            send(buffer, header, arrays)
            _write_all(theirs, buffer.getvalue())
        finally:
            os._exit(0)
    os.close(theirs)
    try:
        reply = _read_until(ours, time.monotonic() + exercise["seconds"])
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if isinstance(reply, str):
        return {"status": reply}, b""
    try:
        header, body = receive(io.BytesIO(reply), ANSWER_SIZE, HEADER_SIZE)
        return {key: header[key] for key in ("status", "text", "counts") if key in header}, body
    except (EOFError, ValueError):
        return {"status": "died"}, b""


def _confine(seconds: float, channel: int, readable: list[str] | None) -> None:
    """Give up what a student's code has no use for, before any of it is read."""
    import resource  # only Unix has it

    folder = tempfile.mkdtemp()
    os.chdir(folder)
    if os.geteuid() == 0:
        Path(folder).chmod(0o777)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.closerange(3, channel)
    os.closerange(channel + 1, OPEN_FILES)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize()
    for kind, limit in {
        resource.RLIMIT_AS: size + MEMORY,
        resource.RLIMIT_CPU: int(seconds) + 1,
        resource.RLIMIT_FSIZE: FILE_SIZE,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }.items():
        resource.setrlimit(kind, (limit, limit))
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS: no setuid programs
    if readable is not None:
        restrict(readable, folder)


def _write_all(channel: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(channel, view) :]


def _read_until(channel: int, deadline: float) -> bytes | str:
    """Read to the end; "late" or "too large" if that doesn't come."""
    data = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([channel], [], [], left)[0]:
            return "late"
        part = os.read(channel, 2**20)
        if not part:
            return bytes(data)
        data += part
        if len(data) > ANSWER_SIZE + HEADER_SIZE:
            return "too large"


if __name__ == "__main__":
    main()
