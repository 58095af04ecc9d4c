"""A process shuts itself off from files, from TCP and from other processes: Linux's Landlock.

The numbers are those of ``linux/landlock.h``; see landlock(7).
"""

import ctypes
import os
import struct
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_BENEATH = 1  # a rule about a file, or a folder and all below it
#: The version from which signals to processes outside are refused.
WITH_SIGNALS = 6


def version() -> int:
    """Give the version of Landlock that the kernel has, 0 if none."""
    if not Path("/proc/self/statm").exists():  # no Linux
        return 0
    return max(0, _call(_CREATE, None, 0, 1))


def restrict(readable: list[str], writable: str) -> None:
    """Leave this process and its children some files to read, and a folder to write to.

    Parameters
    ----------
    readable : list of str
        Files, and folders with all below.
    writable : str
        A folder.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    known = version()
    # All rights over files that this version knows, but control of devices (bit 15) from 5 on.
    every = (1 << {1: 13, 2: 14}.get(known, 15)) - 1
    rules = struct.pack("QQQ", every, 0b11 if known >= 4 else 0, 0b11 if known >= 6 else 0)
    size = 24 if known >= WITH_SIGNALS else 16 if known >= 4 else 8
    ruleset = _checked(_CREATE, rules, size, 0)
    for path in readable:
        rights = _EXECUTE | _READ_FILE | (_READ_DIR if Path(path).is_dir() else 0)
        _allow(ruleset, path, rights)
    _allow(ruleset, writable, every)
    _checked(_RESTRICT, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    _checked(_ADD, ruleset, _BENEATH, struct.pack("=Qi", rights, file), 0)
    os.close(file)


def _checked(*arguments: int | bytes | None) -> int:
    result = _call(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _call(*arguments: int | bytes | None) -> int:
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    return int(syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)))
