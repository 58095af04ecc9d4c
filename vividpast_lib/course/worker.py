"""What runs inside the sandbox: a student's code on the grader's inputs; arrays are sent back.

The sandbox holds this one file, Python, NumPy and PyTorch, and nothing of the course: no
solutions, no answers, no other student's work. So it imports nothing of ours. `grading` decides,
outside, what the arrays are worth: whatever the student's code does to this process, it gains
nothing but what it computes.

Messages, in both directions: one line of JSON with the number of bytes that follow, then these
bytes, in the safetensors format, which can hold arrays and nothing that would be run.
"""

import ast
import contextlib
import ctypes
import io
import json
import os
import re
import select
import signal
import symtable
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, NamedTuple

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


# The student's code. A notebook trains networks and draws figures; all that an exercise needs is
# what its function uses: the rest is left out.


def statements(cells: list[str]) -> list[ast.stmt]:
    """Parse the code cells of a notebook; what is no Python is left out."""
    found: list[ast.stmt] = []
    for source in cells:
        for text in (source, _MAGIC.sub("", source)):
            with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                parsed = ast.parse(text).body
                for statement in parsed:
                    names_of(statement)  # a `return` outside a function is no Python either
                found += parsed
                break
    return found


#: Lines for Jupyter: magics (%time), shell commands (!ls) and questions (np.where?).
_MAGIC = re.compile(r"^[ \t]*(%{1,2}[a-z]|!|\?).*$|^.*\?[ \t]*$", re.MULTILINE)


class Names(NamedTuple):
    """Names in a statement of a notebook.

    Parameters
    ----------
    bound : set of str
        It gives them a value.
    changed : set of str
        It changes a part of their value: an element, an attribute, or by a method.
    used : set of str
        It looks them up when it is run.
    used_later : set of str
        What it defines looks them up when it is called.
    """

    bound: set[str]
    changed: set[str]
    used: set[str]
    used_later: set[str]


def names_of(statement: ast.stmt) -> Names:
    """Find the names of a notebook that a statement deals with."""
    table = symtable.symtable(ast.unparse(statement), "<notebook>", "exec")
    symbols = table.get_symbols()
    bound = {each.get_name() for each in symbols if each.is_assigned() or each.is_imported()}
    used = {each.get_name() for each in symbols if each.is_referenced()}
    inside: set[str] = set()
    scopes = table.get_children()
    while scopes:
        scope = scopes.pop()
        scopes += scope.get_children()
        inside |= {each.get_name() for each in scope.get_symbols() if each.is_global()}
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return Names(bound, set(), used, inside - bound)
    if not isinstance(statement, ast.Assign | ast.Import | ast.ImportFrom):
        used |= bound  # `x += 1` and `if ...: x = 1` need what x was before
    changed = {_root(node) for node in ast.walk(statement) if _changes(node)} & used
    return Names(bound, changed, used | inside, set())


def _changes(node: ast.AST) -> bool:
    """Tell whether a node is `x[0] = ...`, `x.y = ...` or a call `x.append(...)` by itself."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute)
    return isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store)


def _root(node: ast.AST) -> str:
    """Find the name that an expression such as `x.y[0].z()` starts with, or ""."""
    while isinstance(node, ast.Expr | ast.Call | ast.Subscript | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def needed_for(name: str, program: list[ast.stmt]) -> list[ast.stmt]:
    """Choose the statements that ``name`` needs: its last definition, and what that uses.

    The definition finds what it found when the notebook had been run down to it.
    """
    names = [names_of(statement) for statement in program]
    where: dict[str, list[int]] = {}
    for index, each in enumerate(names):
        for touched in each.bound | each.changed:
            where.setdefault(touched, []).append(index)
    definitions = [index for index, each in enumerate(names) if name in each.bound]
    if not definitions:
        return []
    end = definitions[-1] + 1
    chosen = {index for index, each in enumerate(program) if _imports_all(each)}
    todo = [(name, len(program))]
    while todo:
        wanted, before = todo.pop()
        places = where.get(wanted, [])
        # A function may use what is defined below it.
        for place in reversed([place for place in places if place < before] or places):
            if place not in chosen:
                chosen.add(place)
                todo += [(used, place) for used in names[place].used]
                todo += [(used, end) for used in names[place].used_later]
            if wanted in names[place].bound:
                break
    return [program[place] for place in sorted(chosen)]


def _imports_all(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"


def define(name: str, program: list[ast.stmt]) -> tuple[Any, Exception | None]:
    """Run what ``name`` needs.

    Returns
    -------
    value
        Of ``name``.
    problem
        The first error on the way, if any: an import of what isn't here, say, that may not be
        needed after all.

    Raises
    ------
    LookupError
        If the notebook defines no such name.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    problem = None
    for statement in needed_for(name, program):
        # Annotations are not looked up: they may name what isn't here.
        module = ast.Module([_FUTURE, statement], type_ignores=[])
        try:
            exec(compile(module, "<notebook>", "exec"), namespace)
        except Exception as error:
            problem = problem or error
    if name not in namespace:
        raise problem or LookupError(f"the notebook defines no {name}")
    return namespace[name], problem


_FUTURE = ast.parse("from __future__ import annotations").body[0]


# One exercise.


def answer(
    exercise: dict[str, Any], inputs: dict[str, Any], program: list[ast.stmt]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the header and the arrays that one exercise sends back."""
    arrays: dict[str, Any] = {}
    counts: list[int] = []
    try:
        value, problem = define(exercise["name"], program)
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
        return {"status": "raised", "text": _told(error)}, {}
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


def _told(error: BaseException) -> str:
    with contextlib.suppress(Exception):
        text = " ".join(str(error).split())
        return f"{type(error).__name__}: {text}"[:TEXT_SIZE]
    return "an error that can't be told"


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
    for number, exercise in enumerate(task["exercises"]):
        send(sys.stdout.buffer, {"exercise": number, "status": "begun"}, {})
        header, body = _in_a_fork(exercise, inputs, task["notebooks"][exercise["notebook"]])
        sys.stdout.buffer.write(
            json.dumps({**header, "exercise": number, "size": len(body)}).encode() + b"\n" + body
        )
        sys.stdout.buffer.flush()


def _in_a_fork(
    exercise: dict[str, Any], inputs: dict[str, Any], cells: list[str]
) -> tuple[dict[str, Any], bytes]:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            _confine(exercise["seconds"], theirs)
            header, arrays = answer(exercise, inputs, statements(cells))
            buffer = io.BytesIO()
            send(buffer, header, arrays)
            _write_all(theirs, buffer.getvalue())
        finally:
            os._exit(0)
    os.close(theirs)
    try:
        said = _read_until(ours, time.monotonic() + exercise["seconds"])
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if isinstance(said, str):
        return {"status": said}, b""
    try:
        header, body = receive(io.BytesIO(said), ANSWER_SIZE, HEADER_SIZE)
        return {key: header[key] for key in ("status", "text", "counts") if key in header}, body
    except (EOFError, ValueError):
        return {"status": "died"}, b""


def _confine(seconds: float, channel: int) -> None:
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


def _write_all(channel: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(channel, view) :]


def _read_until(channel: int, deadline: float) -> bytes | str:
    """Read to the end; "late" or "too large" if that doesn't come."""
    said = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([channel], [], [], left)[0]:
            return "late"
        part = os.read(channel, 2**20)
        if not part:
            return bytes(said)
        said += part
        if len(said) > ANSWER_SIZE + HEADER_SIZE:
            return "too large"


if __name__ == "__main__":
    main()
