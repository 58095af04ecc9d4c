"""The demos without a browser: what their functions draw and say, and how their controls answer."""

import io
import threading
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.support.demos import lab_of, pixels, send
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.course.widgets import LabExplorer, PhotoColorizer, lab_explorer
from vividpast_lib.course.widgets.latest_job_runner import LatestJobRunner
from vividpast_lib.course.widgets.parts import PIECE, Download, Upload, png
from vividpast_lib.course.widgets.photo_chooser import read_bytes
from vividpast_lib.course.widgets.words import tone, tones
from vividpast_lib.photos.picture_reading import read_picture
from vividpast_lib.runtime.errors import VividPastError

# Work beside the page


def test_of_the_jobs_that_wait_only_the_latest_runs():
    done, first_runs, go_on = [], threading.Event(), threading.Event()
    latest = LatestJobRunner(lambda error: pytest.fail(str(error)))

    def first() -> None:
        first_runs.set()
        go_on.wait(10)
        done.append(0)

    latest(first)
    assert first_runs.wait(10)
    for number in range(1, 6):
        latest(lambda number=number: done.append(number))
    assert latest.superseded
    go_on.set()
    latest.wait(10)
    assert done == [0, 5]


def test_a_job_that_fails_is_told_and_the_next_one_runs():
    errors, done = [], []
    latest = LatestJobRunner(errors.append)

    def fail() -> None:
        raise VividPastError("no")

    latest(fail)
    latest.wait(10)
    latest(lambda: done.append(1))
    latest.wait(10)
    assert [str(error) for error in errors] == ["no"]
    assert done == [1]


def test_work_does_not_hold_up_who_asks_for_it():
    latest = LatestJobRunner(lambda error: None)
    go_on = threading.Event()
    latest(lambda: go_on.wait(10))  # returns at once, or the next line is never reached
    with pytest.raises(TimeoutError):
        latest.wait(0.05)
    go_on.set()
    latest.wait(10)


# Parts


@pytest.fixture
def received():
    return {"files": [], "refused": []}


@pytest.fixture
def upload(received) -> Upload:
    return Upload(
        lambda name, content: received["files"].append((name, content)),
        lambda error: received["refused"].append(str(error)),
        largest=3 * PIECE,
    )


def test_a_file_arrives_in_pieces(upload, received):
    content = bytes(range(256)) * 8192  # 2 MiB
    send(upload, {"type": "begin", "name": "a.jpg", "size": len(content)})
    for start in range(0, len(content), PIECE):
        send(upload, {"type": "piece"}, memoryview(content[start : start + PIECE]))
    assert received["files"] == []
    send(upload, {"type": "end"})
    assert received["files"] == [("a.jpg", content)]


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(upload, received):
    send(upload, {"type": "begin", "name": "a.jpg", "size": 3 * PIECE + 1})
    assert received["refused"][0].startswith("a.jpg: has 3 MB, but no more than 3 MB")
    for _ in range(5):  # a browser that sends it all the same fills no memory
        send(upload, {"type": "piece"}, bytes(PIECE))
    send(upload, {"type": "end"})
    assert received["files"] == []
    assert len(upload._content) <= 3 * PIECE


def test_a_file_that_breaks_off_does_not_arrive_and_the_next_one_does(upload, received):
    send(upload, {"type": "begin", "name": "a.jpg", "size": 10})
    send(upload, {"type": "piece"}, b"12345")
    send(upload, {"type": "end"})
    send(upload, {"type": "begin", "name": "b.jpg", "size": 2})
    send(upload, {"type": "piece"}, b"ok")
    send(upload, {"type": "end"})
    assert received["files"] == [("b.jpg", b"ok")]


def test_a_download_comes_in_pieces_that_make_the_file(monkeypatch):
    sent = []
    button = Download(lambda: button.deliver("a.bin", content, "x/y"))
    monkeypatch.setattr(button, "send", lambda content, buffers=(): sent.append((content, buffers)))
    content = bytes(range(251)) * 10_000
    send(button, {"type": "wanted"})
    assert (
        b"".join(buffers[0] for message, buffers in sent if message["type"] == "piece") == content
    )
    assert sent[-1][0] == {"type": "end", "name": "a.bin", "mime": "x/y"}


# Words


def test_tones_are_named():
    for name, rgb in {
        "red": (200, 40, 30), "orange": (250, 140, 20), "yellow": (250, 220, 30),
        "green": (60, 160, 50), "blue": (40, 80, 200), "grey": (120, 120, 120),
        "violet": (130, 60, 200), "pink": (240, 110, 160), "cyan": (40, 180, 190),
    }.items():  # fmt: skip
        _lightness, a, b = lab_of(np.full((1, 1, 3), rgb, np.uint8))[0, 0]
        assert name in tone(a, b)


def test_the_tones_of_a_picture_are_told_with_their_shares():
    values = np.full((40, 100, 3), 128, np.uint8)
    values[:, :30] = (200, 40, 30)
    assert tones(values) == "grey 70 %, red 30 %"


# LabExplorer


def test_the_slice_shows_the_colour_where_a_and_b_say():
    picture = np.asarray(lab_explorer.render(60, 40, 30, side=221))
    x, y = (int(share * 221) for share in lab_explorer.point_of(40, 30))
    assert np.abs(lab_of(picture)[y, x] - (60, 40, 30)).max() < 1.5


def test_what_srgb_lacks_is_hatched_and_told():
    picture = np.asarray(lab_explorer.render(60, -100, 100, side=221))
    corner = picture[-25:-5, -25:-5].reshape(-1, 3)
    assert len(np.unique(corner, axis=0)) == 2  # not told by one colour alone
    said = lab_explorer.describe(60, -100, 100)
    assert "outside sRGB" in said
    assert "outside" not in lab_explorer.describe(60, 40, 30)
    lightness, a, b = lab_explorer.nearest_shown(60, -100, 100)
    assert lightness == 60
    assert not lab_explorer.outside(lightness, a, b)
    assert a / b == pytest.approx(-1)


def test_a_point_in_the_photo_moves_the_sliders_and_the_slice():
    demo = LabExplorer()
    before = demo.slice.picture
    demo.photo.point = [0.5, 0.5]
    height, width = demo.chooser.small().shape[:2]
    true = lab_of(demo.chooser.small())[height // 2, width // 2]
    assert (demo.lightness.value, demo.a.value, demo.b.value) == pytest.approx(true, abs=0.06)
    assert demo.slice.picture != before
    assert f"L {demo.lightness.value:g}" in demo.slice.alt
    assert f"L {demo.lightness.value:g}" in demo.color.value


def test_a_point_in_the_slice_moves_a_and_b_alone():
    demo = LabExplorer()
    demo.slice.point = lab_explorer.point_of(-40, 55)
    assert (demo.lightness.value, demo.a.value, demo.b.value) == (60, -40, 55)


# Colorizer


@pytest.fixture(scope="module")
def demo() -> PhotoColorizer:
    return PhotoColorizer()


@pytest.fixture
def fresh(demo) -> PhotoColorizer:
    """The demo as it opens; making one anew takes seconds."""
    demo.wait()
    demo.chooser.menu.options = [each for each in demo.chooser.menu.options if each[0] != each[1]]
    demo.chooser.uploaded.clear()
    demo.chooser.menu.value = "citrus_slices.jpg"
    demo.model.value, demo.vivid.value, demo.before.value = "pyramid", 0, "grey"
    return demo.wait()


def test_it_opens_with_a_photo_that_is_coloured(fresh):
    before, after = pixels(fresh.divider.before), pixels(fresh.divider.after)
    assert before.shape == after.shape
    assert np.ptp(before.astype(int), axis=2).max() <= 1  # grey
    expected = Colorizer.load()(fresh.chooser.small())
    assert (after == expected).all()
    assert "citrus_slices.jpg" in fresh.message.text
    assert "orange" in fresh.divider.after_alt


def test_the_model_menu_changes_the_colours(fresh):
    fresh.model.value = "autoencoder"
    after = pixels(fresh.wait().divider.after)
    assert (after == Colorizer.load("autoencoder")(fresh.chooser.small())).all()
    assert fresh.divider.after_name == "autoencoder"
    assert fresh.vivid.disabled
    assert "one answer" in fresh.vivid.text


def test_vivid_is_stronger_and_its_middle_lies_between(fresh):
    chroma = []
    for share in (0, 50, 100):
        fresh.vivid.value = share
        lab = lab_of(pixels(fresh.wait().divider.after))
        chroma.append(float(np.hypot(lab[..., 1], lab[..., 2]).mean()))
    assert chroma[0] < chroma[1] < chroma[2]
    assert fresh.vivid.text == "vivid"
    assert (pixels(fresh.divider.after) == Colorizer.load(vivid=True)(fresh.chooser.small())).all()


def test_the_class_map_is_named_not_only_painted(fresh):
    grey = fresh.divider.before
    fresh.before.value = "class map"
    fresh.wait()
    assert fresh.divider.before != grey
    assert "background" in fresh.legend.value
    assert "%" in fresh.legend.value
    fresh.before.value = "original"
    assert (pixels(fresh.wait().divider.before) == fresh.chooser.small()).all()
    assert fresh.legend.value == ""


def arrive(demo: PhotoColorizer, name: str, content: bytes) -> None:
    upload = demo.chooser.upload
    send(upload, {"type": "begin", "name": name, "size": len(content)})
    send(upload, {"type": "piece"}, content)
    send(upload, {"type": "end"})
    demo.wait()


def test_a_photo_of_ones_own_is_coloured_and_stays_in_the_menu(fresh, scene):
    arrive(fresh, "mine.png", png(Image.fromarray(scene)))
    assert fresh.chooser.name == "mine.png"
    assert (pixels(fresh.divider.after) == Colorizer.load()(scene)).all()
    arrive(fresh, "other.png", png(Image.fromarray(scene[::-1])))
    assert fresh.chooser.name == "other.png"
    fresh.chooser.menu.value = "mine.png"
    assert (pixels(fresh.wait().divider.after) == Colorizer.load()(scene)).all()


def test_another_photo_of_the_same_name_takes_its_place(fresh, scene):
    arrive(fresh, "mine.png", png(Image.fromarray(scene)))
    arrive(fresh, "mine.png", png(Image.fromarray(scene[::-1])))
    assert (
        pixels(fresh.divider.after) == Colorizer.load()(np.ascontiguousarray(scene[::-1]))
    ).all()


def test_an_upload_never_hides_a_bundled_photo(fresh, scene):
    arrive(fresh, "koala.jpg", png(Image.fromarray(scene)))
    assert fresh.chooser.name == "my koala.jpg"
    fresh.chooser.menu.value = "koala.jpg"
    assert fresh.wait().chooser.small().shape != scene.shape


@pytest.mark.parametrize("content", [b"hello", b"\xff\xd8\xff\xe0 broken", b""])
def test_what_is_no_photo_is_said_in_the_demo(fresh, content, capfd):
    before = fresh.divider.after
    upload = fresh.chooser.upload
    send(upload, {"type": "begin", "name": "bad.jpg", "size": len(content)})
    if content:
        send(upload, {"type": "piece"}, content)
    send(upload, {"type": "end"})
    fresh.wait()
    assert fresh.message.is_error
    assert fresh.message.text.startswith("bad.jpg: ")
    assert fresh.divider.after == before
    assert fresh.chooser.name == "citrus_slices.jpg"
    assert "Traceback" not in "".join(capfd.readouterr())


def test_the_sentence_names_the_file_as_the_user_does():
    with pytest.raises(VividPastError) as error:
        read_bytes("holiday.jpg", b"no photo")
    assert str(error.value).startswith("holiday.jpg: ")
    assert "tmp" not in str(error.value)


def test_what_is_saved_is_what_the_library_makes_at_full_size(fresh, monkeypatch, tmp_path):
    saved = []
    monkeypatch.setattr(fresh.save, "deliver", lambda *file: saved.append(file))
    large = np.random.default_rng(0).integers(0, 256, (700, 900), np.uint8)
    Image.fromarray(large).save(tmp_path / "large.png")
    arrive(fresh, "large.png", (tmp_path / "large.png").read_bytes())
    assert pixels(fresh.divider.after).shape == (498, 640, 3)
    send(fresh.save, {"type": "wanted"})
    fresh.wait()
    ((name, written, mime),) = saved
    assert (name, mime) == ("large_colored.png", "image/png")
    expected = Colorizer.load().colorize(read_picture(tmp_path / "large.png"))
    assert (pixels(written) == expected.values).all()


def test_all_uploaded_photos_are_saved_in_one_file(fresh, scene, monkeypatch):
    saved = []
    monkeypatch.setattr(fresh.save_all, "deliver", lambda *file: saved.append(file))
    assert fresh.save_all.disabled
    for name in ("one.png", "two.png"):
        arrive(fresh, name, png(Image.fromarray(scene)))
    assert not fresh.save_all.disabled
    send(fresh.save_all, {"type": "wanted"})
    fresh.wait()
    archive = zipfile.ZipFile(io.BytesIO(saved[0][1]))
    assert sorted(archive.namelist()) == ["one_colored.png", "two_colored.png"]
    assert not fresh.progress.running


def test_photos_that_differ_in_their_suffix_alone_are_all_saved(fresh, scene, monkeypatch):
    saved = []
    monkeypatch.setattr(fresh.save_all, "deliver", lambda *file: saved.append(file))
    monkeypatch.setattr(fresh, "_colored", lambda _colorizer, name: name.encode())
    names = ("a.png", "a.jpg", "b.png", "a_jpg.png", "a_jpg.jpg")
    for name in names:
        arrive(fresh, name, png(Image.fromarray(scene)))
    send(fresh.save_all, {"type": "wanted"})
    fresh.wait()
    archive = zipfile.ZipFile(io.BytesIO(saved[0][1]))
    copies = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(copies.values()) == sorted(names)
    assert copies["a_colored.png"] == "a.png" and copies["a_jpg_colored.png"] == "a.jpg"


def test_saving_can_be_cancelled(fresh, scene, monkeypatch):
    saved, started = [], threading.Event()
    monkeypatch.setattr(fresh.save_all, "deliver", lambda *file: saved.append(file))
    for name in ("one.png", "two.png", "three.png"):
        arrive(fresh, name, png(Image.fromarray(scene)))

    def slow(*_arguments: object) -> bytes:
        started.set()
        while not fresh._cancelled.is_set():
            time.sleep(0.01)
        return b""

    monkeypatch.setattr(fresh, "_colored", slow)
    send(fresh.save_all, {"type": "wanted"})
    assert started.wait(10)
    assert not fresh.cancel.disabled
    assert fresh.progress.running
    fresh.cancel.click()
    fresh.wait()
    assert saved == []
    assert "Cancelled" in fresh.message.text
    assert fresh.cancel.disabled
