"""Films that are stopped, killed, or find no room: nothing is lost, nothing half-made is left."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout

from tests.support.films import camera_move, read_film, write_film
from vividpast_lib.cli.main import main
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.film import segments
from vividpast_lib.film.film_files import colorize_film

MAIN = "import sys; from vividpast_lib.cli.main import main; sys.exit(main())"
COMMAND = [sys.executable, "-c", MAIN, "colorize", "--model", "autoencoder"]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Three shots, and light that changes in the last one."""
    shots = camera_move(50) + camera_move(50, seed=3)
    for index, luma in enumerate(camera_move(60, seed=4)):
        shots.append((luma * (1 - index / 150)).astype(np.uint8))
    write_film(tmp_path / "film.mp4", shots, sounds=1)
    return tmp_path / "film.mp4"


def assert_same_frames(one: Path, other: Path) -> None:
    one_film, other_film = read_film(one), read_film(other)
    assert one_film.times == other_film.times
    assert np.array_equal(one_film.lumas, other_film.lumas)
    assert np.array_equal(one_film.chromas, other_film.chromas)
    assert [len(t.packets) for t in one_film.tracks] == [len(t.packets) for t in other_film.tracks]


class StoppedError(Exception):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("frame", [0, 1, 30, 63, 64, 100, 139, 160])
def test_a_second_call_goes_on_and_ends_with_the_same_frames(
    frame: int, film: Path, vivid_colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "MIN_SEGMENT_FRAMES", 12)
    monkeypatch.setattr(segments, "MAX_SEGMENT_FRAMES", 20)
    whole, out = film.with_name("whole.mp4"), film.with_name("out.mp4")
    colorize_film(vivid_colorizer, film, whole)

    def stop(done: int, _total: int) -> None:
        if done == frame:
            raise StoppedError

    with pytest.raises(StoppedError):
        colorize_film(vivid_colorizer, film, out, on_progress=stop)
    assert not out.exists()
    began = []
    colorize_film(vivid_colorizer, film, out, on_progress=lambda done, _total: began.append(done))
    assert frame - 20 <= began[0] <= frame  # at most a segment is lost
    assert began[1:] == list(range(began[0] + 1, 161))
    assert_same_frames(whole, out)
    assert sorted(each.name for each in film.parent.iterdir()) == [
        "film.mp4", "out.mp4", "whole.mp4",
    ]  # fmt: skip


def stopped_at(frame: int, colorizer: Colorizer, film: Path, out: Path, **how) -> None:
    def stop(done: int, _total: int) -> None:
        if done == frame:
            raise StoppedError

    with pytest.raises(StoppedError):
        colorize_film(colorizer, film, out, on_progress=stop, **how)


def first_told(colorizer: Colorizer, film: Path, out: Path, **how) -> int:
    """How many frames a call finds done."""
    told: list[int] = []
    colorize_film(colorizer, film, out, on_progress=lambda done, _total: told.append(done), **how)
    return told[0]


def test_segments_made_otherwise_are_not_used(
    film: Path, vivid_colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        segments, "MAX_SEGMENT_FRAMES", 20
    )  # frames that are coloured alone have no cuts
    out, other = film.with_name("out.mp4"), film.with_name("other.mp4")
    stopped_at(140, vivid_colorizer, film, out, independent_frames=True)
    assert list(out.with_name("out.mp4.parts").glob("*.nut"))
    assert first_told(vivid_colorizer, film, out) == 0
    colorize_film(vivid_colorizer, film, other)
    assert_same_frames(out, other)

    stopped_at(140, vivid_colorizer, film, out, force=True)
    write_film(film, camera_move(160, seed=9), sounds=1)  # another film under the same name
    assert first_told(vivid_colorizer, film, out, force=True) == 0


def test_without_resume_all_is_done_anew(film: Path, vivid_colorizer: Colorizer) -> None:
    out = film.with_name("out.mp4")
    stopped_at(140, vivid_colorizer, film, out)
    assert first_told(vivid_colorizer, film, out, resume=False) == 0


def test_segments_of_the_old_version_are_used(film: Path, vivid_colorizer: Colorizer) -> None:
    out = film.with_name("out.mp4")
    stopped_at(140, vivid_colorizer, film, out)
    job_file = out.with_name("out.mp4.parts") / segments.JOB_FILE
    text = job_file.read_text("utf-8")
    assert "independent_frames" in text
    job_file.write_text(text.replace("independent_frames", "each_frame_alone"), "utf-8")
    assert first_told(vivid_colorizer, film, out) > 0


def test_the_folder_is_removed_while_no_other_call_can_have_it(
    film: Path, vivid_colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = []
    remove = segments.shutil.rmtree

    def watched(folder: Path, **how) -> None:
        with pytest.raises(Timeout), FileLock(folder / segments.LOCK_FILE, timeout=0):
            pass
        removed.append(folder)
        remove(folder, **how)

    monkeypatch.setattr(segments.shutil, "rmtree", watched)
    out = film.with_name("out.mp4")
    colorize_film(vivid_colorizer, film, out, preview=0.2)
    assert removed == [out.with_name("out.mp4.parts")]
    assert not removed[0].exists()


def test_two_calls_do_not_write_one_film(
    film: Path, vivid_colorizer: Colorizer, capsys: pytest.CaptureFixture
) -> None:
    out = film.with_name("out.mp4")
    stopped_at(140, vivid_colorizer, film, out)
    before = sorted(out.with_name("out.mp4.parts").iterdir())
    with FileLock(out.with_name("out.mp4.parts") / segments.LOCK_FILE):
        assert main(["colorize", str(film), "-o", str(out)]) == 2
    assert "another call" in capsys.readouterr().err
    assert sorted(out.with_name("out.mp4.parts").iterdir()) == before


def test_killed_in_the_middle(film: Path) -> None:
    whole, out = film.with_name("whole.mp4"), film.with_name("out.mp4")
    parts = out.with_name("out.mp4.parts")
    with subprocess.Popen([*COMMAND, film, "-o", out], stderr=subprocess.DEVNULL) as child:
        while not (parts / "00000050.nut").exists():
            assert child.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
    assert not out.exists()
    first = (parts / "00000000.nut").stat().st_mtime_ns
    assert (parts / "00000000.nut").exists()
    again = subprocess.run([*COMMAND, film, "-o", out], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert first  # it was there, and it is gone with its folder
    assert not parts.exists()
    subprocess.run([*COMMAND, film, "-o", whole], check=True, capture_output=True)
    assert_same_frames(whole, out)


@pytest.mark.parametrize(
    ("options", "advice"),
    [([], "the same command goes on"), (["--no-resume"], "command without --no-resume goes on")],
)
def test_interrupted_by_the_user(options: list[str], advice: str, film: Path) -> None:
    out = film.with_name("out.mp4")
    with subprocess.Popen(
        [*COMMAND, film, "-o", out, *options],
        stderr=subprocess.PIPE,
        text=True,
        # What runs in a shell's background has been told to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as child:
        while not (out.with_name("out.mp4.parts") / "00000000.nut").exists():
            assert child.poll() is None, "it ended before it could be interrupted"
            time.sleep(0.005)
        child.send_signal(signal.SIGINT)
        _out, error = child.communicate()
    assert child.returncode == 130
    assert advice in error
    assert "Traceback" not in error
    assert not out.exists()


@pytest.mark.parametrize("room", [2_000, 30_000])
def test_no_room_on_the_disk(room: int, film: Path) -> None:
    """Stood for by a limit on the size of files: for the first segment, or for the whole film."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    out = film.with_name("out.mp4")
    done = subprocess.run(
        [*COMMAND, film, "-o", out], capture_output=True, text=True, preexec_fn=limit
    )
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "vividpast:" in line]
    assert len(lines) == 1, done.stderr
    assert f"{out}: can't be written" in lines[0]
    assert "make room" in lines[0]
    assert "Traceback" not in done.stderr
    assert not out.exists()
    # With room, the same command goes on.
    assert main(["colorize", "--model", "autoencoder", str(film), "-o", str(out)]) == 0
    assert len(read_film(out).lumas) == 160


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much")
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """300 frames more, when all steps have frames at hand: these alone would take 69 MB more."""
    peaks = []
    for count in (150, 450):
        path = tmp_path / f"{count}.mp4"
        frames = camera_move(30, 360, 640)
        write_film(path, [frames[index % 30] for index in range(count)], sounds=1)
        code = (
            "import sys; from vividpast_lib.cli.main import main; status = main(sys.argv[1:]); "
            # Not ru_maxrss, which counts the process that began this one: it can be the larger.
            "print(*[line for line in open('/proc/self/status') if 'VmHWM' in line]); "
            "sys.exit(status)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, *COMMAND[3:], path, "-o", tmp_path / f"out{count}.mp4"],
            capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        peaks.append(int(run.stdout.split()[-2]) / 1024)  # "VmHWM: 123456 kB"
    # Threads and the allocator make up to 25 MB of difference between two runs of the same film.
    assert peaks[1] - peaks[0] < 45, f"{peaks[0]:.0f} MB, then {peaks[1]:.0f} MB"
