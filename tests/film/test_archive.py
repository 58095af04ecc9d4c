"""Many films in one call, one after another or on Ray."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.films import camera_move, read_film, write_film
from vividpast_lib.cli.main import main
from vividpast_lib.color.scaling import UNIT_SCALING
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.film import archive
from vividpast_lib.film.film_files import colorize_film
from vividpast_lib.film.film_jobs import plan_film
from vividpast_lib.film.segments import color_segments, lead_in, scan_film
from vividpast_lib.networks.checkpoints import Checkpoint, save_checkpoint
from vividpast_lib.networks.colornet_2018 import ColorAutoencoder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes by signals")


def write_model(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    network = ColorAutoencoder().eval()
    with torch.no_grad():
        network.decoder[-2].weight.mul_(40)
    save_checkpoint(Checkpoint(network, "autoencoder", UNIT_SCALING, 32, (0.0, 0.0)), path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.safetensors", seed=3)


def write_shots(path: Path, shots: tuple[int, ...] = (6,), seed: int = 0) -> Path:
    """Write a film of shots, so many frames each, in which a camera moves to and fro."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lumas = []
    for index, frames in enumerate(shots):
        move = camera_move(30, seed=seed + 7 * index)
        lumas += [(move + move[::-1])[place % 60] for place in range(frames)]
    write_film(path, lumas)
    return path


@pytest.fixture
def colored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the films that are coloured, in order."""
    names: list[str] = []
    colorize = archive.colorize_film

    def counted(colorizer: Colorizer, source: Path, target: Path, **how):
        names.append(source.name)
        return colorize(colorizer, source, target, **how)

    monkeypatch.setattr(archive, "colorize_film", counted)
    return names


def call(folder: Path, out: Path, model: Path, *more: str) -> int:
    return main(["archive", str(folder), "-o", str(out), "--model", str(model), *more])


def films_below(folder: Path) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file() or path.suffix == ".parts"]
    return sorted(each.relative_to(folder).as_posix() for each in paths if each.name[0] != ".")


def states(out: Path) -> dict[str, str]:
    films = json.loads((out / "manifest.json").read_text("utf-8"))["films"]
    return {name: each["state"] for name, each in films.items()}


def assert_same_film(one: Path, other: Path) -> None:
    one_film, other_film = read_film(one), read_film(other)
    assert one_film.times == other_film.times
    for frame, same in zip(one_film.lumas, other_film.lumas, strict=True):
        assert np.array_equal(frame, same)
    for frame, same in zip(one_film.chromas, other_film.chromas, strict=True):
        assert np.array_equal(frame, same)


def test_all_are_done_in_their_folders_and_then_skipped(
    tmp_path: Path, model: Path, colored: list[str], capsys
) -> None:
    folder, out = tmp_path / "films", tmp_path / "films" / "colored"
    for name in (
        "a.avi",
        "a.mkv",
        "a.mp4",
        "below/b.mp4",
        "below/.hidden.mp4",
        "c.mp4.parts/d.mkv",
    ):
        write_shots(folder / name)
    (folder / "notes.txt").write_text("no film")
    assert call(folder, out, model) == 0
    made = ["a.mkv", "a.mp4", "a_mkv.mkv", "below/b.mp4"]
    assert films_below(out) == [*made, "manifest.json"]
    assert "4 films: 4 done now, 0 done before, 0 failed" in capsys.readouterr().out
    entry = json.loads((out / "manifest.json").read_text("utf-8"))["films"]["below/b.mp4"]
    assert (entry["state"], entry["target"], entry["frames"]) == ("done", "below/b.mp4", 6)

    colored.clear()
    before = {name: (out / name).stat().st_mtime_ns for name in made}
    (folder / "a.mp4").touch()  # another time, but the same film
    assert call(folder, out, model) == 0
    assert colored == []
    assert before == {name: (out / name).stat().st_mtime_ns for name in made}
    assert "4 films: 0 done now, 4 done before, 0 failed" in capsys.readouterr().out


def test_what_has_changed_is_done_again_in_its_place(
    tmp_path: Path, model: Path, colored: list[str]
) -> None:
    folder, out = tmp_path / "films", tmp_path / "out"
    for name in ("a.mp4", "b.mkv"):
        write_shots(folder / name)
    assert call(folder, out, model) == 0
    colored.clear()
    write_shots(folder / "a.mp4", (9,))
    write_shots(folder / "b.avi")  # comes first, but b.mkv has its name already
    assert call(folder, out, model) == 0
    assert sorted(colored) == ["a.mp4", "b.avi"]
    assert len(read_film(out / "a.mp4").times) == 9
    assert films_below(out) == ["a.mp4", "b.mkv", "b_avi.mkv", "manifest.json"]

    before = read_film(out / "a.mp4").chromas[0]
    write_model(model, seed=4)
    for arguments in ([], ["--independent-frames"]):
        colored.clear()
        assert call(folder, out, model, *arguments) == 0
        assert sorted(colored) == ["a.mp4", "b.avi", "b.mkv"]
        after = read_film(out / "a.mp4").chromas[0]
        assert not np.array_equal(before, after)
        before = after
    assert films_below(out) == ["a.mp4", "b.mkv", "b_avi.mkv", "manifest.json"]


def test_a_bad_film_is_named_and_tried_again_and_the_others_are_done(
    tmp_path: Path, model: Path, colored: list[str], capsys
) -> None:
    folder, out = tmp_path / "films", tmp_path / "out"
    write_shots(folder / "a.mp4")
    (folder / "x.mp4").write_text("no film")
    assert call(folder, out, model) == 2
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if line.startswith("vividpast: ")]
    assert "x.mp4: can't be read as a film" in line
    assert "2 films: 1 done now, 0 done before, 1 failed" in said.out
    assert states(out) == {"a.mp4": "done", "x.mp4": "failed"}
    assert films_below(out) == ["a.mp4", "manifest.json"]

    colored.clear()
    write_shots(folder / "x.mp4")
    assert call(folder, out, model) == 0
    assert colored == ["x.mp4"]
    assert states(out) == {"a.mp4": "done", "x.mp4": "done"}


def test_a_file_of_someone_else_is_never_replaced(
    tmp_path: Path, model: Path, colored: list[str], capsys
) -> None:
    folder, out = tmp_path / "films", tmp_path / "out"
    write_shots(folder / "a.mp4")
    out.mkdir()
    (out / "a.mp4").write_text("precious")
    for _ in range(2):
        assert call(folder, out, model) == 2
        assert "was not made here; move it away" in capsys.readouterr().err
        assert (out / "a.mp4").read_text() == "precious"
    assert colored == []
    (out / "a.mp4").unlink()
    assert call(folder, out, model) == 0


def test_ctrl_c_stops_all_and_the_same_command_goes_on(
    tmp_path: Path, model: Path, colored: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    folder, out = tmp_path / "films", tmp_path / "out"
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        write_shots(folder / name)
    colorize = archive.colorize_film

    def interrupted(colorizer: Colorizer, source: Path, target: Path, **how):
        if source.name == "b.mp4":
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(6000):
                how["on_progress"](0, 6)
                time.sleep(0.01)
        return colorize(colorizer, source, target, **how)

    monkeypatch.setattr(archive, "colorize_film", interrupted)
    # What runs in a shell's background has been told to ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert call(folder, out, model) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "stopped; the same command goes on." in capsys.readouterr().err
    assert states(out) == {"a.mp4": "done", "b.mp4": "begun"}
    monkeypatch.setattr(archive, "colorize_film", colorize)
    colored.clear()
    assert call(folder, out, model) == 0
    # Should it be b.mp4 that ended the first call, it must not keep the others from being done.
    assert colored == ["c.mp4", "b.mp4"]


def test_a_fault_of_ours_does_not_end_the_batch(
    tmp_path: Path, model: Path, colored: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_shots(tmp_path / "films" / name)
    colorize = archive.colorize_film

    def faulty(colorizer: Colorizer, source: Path, target: Path, **how):
        if source.name == "a.mp4":
            raise ZeroDivisionError("division by zero")
        return colorize(colorizer, source, target, **how)

    monkeypatch.setattr(archive, "colorize_film", faulty)
    assert call(tmp_path / "films", tmp_path / "out", model) == 2
    assert "a.mp4: can't be coloured, by a fault of this program" in capsys.readouterr().err
    assert states(tmp_path / "out") == {"a.mp4": "failed", "b.mp4": "done"}


def test_workers_without_ray_still_work_and_one_line_says_what_they_are_for(
    tmp_path: Path, model: Path, capsys
) -> None:
    write_shots(tmp_path / "films/a.mp4")
    assert call(tmp_path / "films", tmp_path / "out", model, "--workers", "2") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vividpast:")]
    assert said == [
        "vividpast: without --ray films are coloured one after another; --workers has no effect."
    ]
    assert states(tmp_path / "out") == {"a.mp4": "done"}


def test_a_manifest_of_the_old_version_is_understood(
    tmp_path: Path, model: Path, colored: list[str]
) -> None:
    folder, out = tmp_path / "films", tmp_path / "out"
    write_shots(folder / "a.mp4")
    assert call(folder, out, model) == 0
    text = (out / "manifest.json").read_text("utf-8")
    assert "independent_frames" in text
    old = text.replace("independent_frames", "each_frame_alone")
    (out / "manifest.json").write_text(old, "utf-8")
    colored.clear()
    write_shots(folder / "b.mp4")
    assert call(folder, out, model) == 0
    assert colored == ["b.mp4"]
    assert states(out) == {"a.mp4": "done", "b.mp4": "done"}
    assert "each_frame_alone" not in (out / "manifest.json").read_text("utf-8")


def test_bad_input_gets_one_sentence_and_changes_nothing(
    tmp_path: Path, model: Path, capsys
) -> None:
    film = write_shots(tmp_path / "films/a.mp4")
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged/manifest.json"
    damaged.parent.mkdir()
    damaged.write_text('{"films": {"a.mp4": {"state"')
    (damaged.parent / "a.mp4").write_text("precious")
    for folder, out, sentence in (
        (tmp_path / "nonsuch", tmp_path / "out", "there is no such folder"),
        (film, tmp_path / "out", "is a file; name a folder of films"),
        (tmp_path / "empty", tmp_path / "out", "holds no films"),
        (film.parent, film, "is a file; name a folder to write"),
        (film.parent, film.parent, "holds the films themselves"),
        (film.parent, damaged.parent, "manifest.json: is damaged"),
    ):
        assert call(folder, out, model) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if "vividpast: " in line]
        assert len(lines) == 1 and sentence in lines[0]
    assert not (tmp_path / "out").exists()
    assert damaged.read_text() == '{"films": {"a.mp4": {"state"'
    assert (damaged.parent / "a.mp4").read_text() == "precious"


def test_without_ray_the_extra_is_named(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    write_shots(tmp_path / "films/a.mp4")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert call(tmp_path / "films", tmp_path / "out", model, "--ray") == 2
    assert "vividpast[film,archive]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "shots", "begins"),
    [
        ("a.mp4", (50, 242), [0, 50, 290]),  # the last one begins where a segment is full
        ("a.ts", (50, 50), [0, 50]),  # seeking misses here
    ],
)
def test_units_are_the_segments_and_give_the_same_film(
    name: str, shots: tuple[int, ...], begins: list[int], tmp_path: Path, model: Path
) -> None:
    film = write_shots(tmp_path / name, shots)
    colorizer = Colorizer.load(model, "cpu")
    whole, units = plan_film(film, tmp_path / "whole.mkv"), plan_film(film, tmp_path / "units.mkv")
    for job in (whole, units):
        job.parts.mkdir()
    color_segments(whole, colorizer)
    records, starts = scan_film(units, colorizer)
    assert starts == begins
    for start, stop in reversed(list(zip(starts, [*starts[1:], None], strict=True))):
        color_segments(units, colorizer, start, stop, records[lead_in(start) : start])
    segments = sorted(each.name for each in whole.parts.glob("*.nut"))
    assert segments == [f"{start:08}.nut" for start in starts]
    assert segments == sorted(each.name for each in units.parts.glob("*.nut"))
    for segment in segments:
        assert (whole.parts / segment).read_bytes() == (units.parts / segment).read_bytes()
        record = Path(segment).with_suffix(".json")
        assert (whole.parts / record).read_text() == (units.parts / record).read_text()


def kill_when(begun: list[Path], pattern: str, done: threading.Event, killed: list[int]) -> None:
    """Kill one process with ``pattern`` in its command as soon as all that has begun."""
    while not done.is_set():
        if all(any(path.parent.glob(path.name)) for path in begun):
            found = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True)
            for line in found.stdout.splitlines():
                if pattern in line:
                    killed.append(int(line.split()[0]))
                    os.kill(killed[-1], signal.SIGKILL)
                    return
        time.sleep(0.02)


@pytest.fixture
def killer() -> Iterator:
    done, threads = threading.Event(), []

    def begin(begun: list[Path], pattern: str) -> list[int]:
        killed: list[int] = []
        threads.append(threading.Thread(target=kill_when, args=(begun, pattern, done, killed)))
        threads[-1].start()
        return killed

    yield begin
    done.set()
    for thread in threads:
        thread.join()


def test_a_call_that_is_killed_goes_on_from_the_last_whole_segment(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, out = write_shots(tmp_path / "films/a.mp4", (50, 50)), tmp_path / "out"
    command = [sys.executable, "-m", "vividpast_lib.cli", "archive", film.parent, "-o", out]
    with subprocess.Popen([*command, "--model", model], stderr=subprocess.DEVNULL) as child:
        while not (out / "a.mp4.parts/00000000.nut").exists():
            assert child.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
    assert states(out) == {"a.mp4": "begun"}
    (tmp_path / "films/x.mp4").write_text("no film")
    done: list[int] = []
    colorize = archive.colorize_film

    def watched(*films, on_progress, **how):
        def count(frames: int, total: int) -> None:
            done.append(frames)
            on_progress(frames, total)

        return colorize(*films, on_progress=count, **how)

    monkeypatch.setattr(archive, "colorize_film", watched)
    assert call(film.parent, out, model) == 2  # for x.mp4
    assert done[0] >= 50
    assert states(out) == {"a.mp4": "done", "x.mp4": "failed"}
    assert films_below(out) == ["a.mp4", "manifest.json"]
    colorize_film(Colorizer.load(model, "cpu"), film, tmp_path / "alone.mp4")
    assert_same_film(out / "a.mp4", tmp_path / "alone.mp4")


def test_on_ray_a_lost_worker_is_replaced_and_films_are_the_same(
    tmp_path: Path, model: Path, killer, capsys
) -> None:
    pytest.importorskip("ray")
    folder, out = tmp_path / "films", tmp_path / "out"
    film = write_shots(folder / "a.mp4", (50, 50))
    write_shots(folder / "below/b.avi", (9,), seed=5)
    (folder / "x.mp4").write_text("no film")
    killed = killer([out / "a.mp4.parts/*.tmp.nut"], "ray::color_segments")
    environment = dict(os.environ)
    assert call(folder, out, model, "--workers", "2", "--ray") == 2  # for x.mp4
    assert dict(os.environ) == environment
    assert len(killed) == 1
    assert "3 films: 2 done now, 0 done before, 1 failed" in capsys.readouterr().out
    assert films_below(out) == ["a.mp4", "below/b.mkv", "manifest.json"]
    colorizer = Colorizer.load(model, "cpu")
    for source, target in ((film, "a.mp4"), (folder / "below/b.avi", "below/b.mkv")):
        alone = tmp_path / f"alone{Path(target).suffix}"
        colorize_film(colorizer, source, alone)
        assert_same_film(out / target, alone)


@pytest.mark.parametrize(("failures", "status"), [(1, 0), (2, 2)])
def test_ray_that_does_not_start_at_once_gets_a_second_chance(
    tmp_path: Path, model: Path, monkeypatch, capsys, failures: int, status: int
) -> None:
    ray = pytest.importorskip("ray")
    write_shots(tmp_path / "films/a.mp4", (9,))
    left, init = [TimeoutError, Exception][:failures], ray.init

    def begin(*given, **more):
        if left:
            raise left.pop()("The node timed out.\nIts log is long.")
        return init(*given, **more)

    monkeypatch.setattr(ray, "init", begin)
    out = tmp_path / "out"
    assert call(tmp_path / "films", out, model, "--workers", "1", "--ray") == status
    said = capsys.readouterr().err
    assert ("Ray does not start here (The node timed out); try again" in said) == (status == 2)
    assert ("a.mp4" in films_below(out)) == (status == 0)
