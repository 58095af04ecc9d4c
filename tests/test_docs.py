"""The site builds without a warning, gives nothing away, and loads nothing from elsewhere."""

import csv
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from tests.support import ROOT
from vividpast_lib.course.grading.exercises import LESSONS

DOCS = ROOT / "docs"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: What a browser fetches by itself; a link is only followed by who clicks on it.
LOADED = {
    "script": ("src",), "link": ("href",), "img": ("src", "srcset"), "video": ("src", "poster"),
    "audio": ("src",), "source": ("src", "srcset"), "track": ("src",), "iframe": ("src",),
    "object": ("data",), "embed": ("src",),
}  # fmt: skip
ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def loads(self) -> list[str]:
        found = []
        for tag, attributes in self.tags:
            if tag == "link" and attributes.get("rel") not in ("stylesheet", "icon", "preload"):
                continue
            found += [attributes[name] for name in LOADED.get(tag, ()) if name in attributes]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Build from a copy: the checkout's own pages stay as they are."""
    folder = tmp_path_factory.mktemp("docs")
    made = shutil.ignore_patterns("_build", "lessons", "library")
    shutil.copytree(DOCS, folder / "docs", ignore=made)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-d", str(folder / "doctrees"), str(folder / "docs"), str(folder / "site")]
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    built = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site) -> dict[str, Page]:
    found = site.rglob("*.html")
    return {str(path.relative_to(site)): Page(path) for path in found if "_static" not in str(path)}


def load(path: Path):
    return nbformat.read(path, as_version=4)


def test_all_pages_are_there(pages):
    lessons = {f"lessons/{path.stem}.html" for path in NOTEBOOKS}
    names = ("guide", "timetables", "objectives", "rubric", "sandbox")
    instructors = {f"instructors/{name}.html" for name in names}
    assert {"index.html", "dependencies.html", "glossary.html", "library/index.html"} <= set(pages)
    assert lessons | instructors <= set(pages)


def test_every_public_module_has_a_page_to_which_its_package_s_page_links(pages):
    library = ROOT / "vividpast_lib"
    files = [path for path in library.rglob("[!_]*.py") if "planted" not in path.parts]
    packages = [path.parent for path in library.rglob("__init__.py") if path.parent != library]
    assert len(files) > 50
    for path in [*files, *packages]:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        above = name.rpartition(".")[0]
        above = "index" if above == "vividpast_lib" else above
        links = [
            each.get("href") for tag, each in pages[f"library/{above}.html"].tags if tag == "a"
        ]
        assert f"{name}.html" in links
        assert f"library/{name}.html" in pages


def test_a_module_s_page_has_its_public_functions_and_no_others(pages):
    ids = [each.get("id") or "" for _, each in pages["library/vividpast_lib.color.lab.html"].tags]
    assert {"vividpast_lib.color.lab.rgb_to_lab", "vividpast_lib.color.lab.lab_to_rgb"} <= set(ids)
    assert [each for each in ids if each.startswith("vividpast_lib.color.lab._")] == []


def test_no_page_loads_anything_from_elsewhere(site, pages):
    found = {
        name: [each for each in page.loads() if ELSEWHERE.match(each)]
        for name, page in pages.items()
    }
    assert {name: each for name, each in found.items() if each} == {}
    styles = " ".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", styles) == []


def test_the_check_of_what_is_loaded_notices(tmp_path):
    path = tmp_path / "page.html"
    path.write_text('<a href="https://a.org">a</a><img src="//b.org/c.png"><script src="d.js">')
    assert [each for each in Page(path).loads() if ELSEWHERE.match(each)] == ["//b.org/c.png"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_figures_films_and_links_of_a_lesson_are_on_its_page(path, pages):
    page = pages[f"lessons/{path.stem}.html"]
    outputs = [output for cell in load(path).cells for output in cell.get("outputs", [])]
    shown = " ".join(output.get("data", {}).get("text/html", "") for output in outputs)
    for tag in ("img", "video"):
        own = [each for name, each in page.tags if name == tag and each["src"].startswith("data:")]
        assert len(own) == len(re.findall(rf"<{tag}\b", shown))
        assert all((each.get("alt") or each.get("aria-label", "")).strip() for each in own)
    links = [each["href"] for name, each in page.tags if name == "a" and "href" in each]
    prose = "\n".join(cell.source for cell in load(path).cells if cell.cell_type == "markdown")
    for name in re.findall(r"\]\((\w+)\.ipynb\)", prose):
        assert f"{name}.html" in links


def test_every_link_within_the_site_leads_somewhere(site, pages):
    for name, page in pages.items():
        for tag, attributes in page.tags:
            target = attributes.get("href", "") if tag == "a" else ""
            file, _, anchor = target.partition("#")
            if not file or re.match(r"\w+:", file):
                continue
            path = (site / name).parent / file
            assert path.exists(), f"{name}: {target}"
            place = os.path.relpath(path, site)
            if anchor and place in pages:
                ids = [each.get("id") for _, each in pages[place].tags]
                assert anchor in ids, f"{name}: {target}"


@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_a_lesson_gives_no_solution_away(path, site, pages):
    """Neither on its page, nor in the notebook to download, nor in what is searched."""
    files = [site / "lessons" / f"{path.stem}.html", site / "_sources" / "lessons" / path.name]
    texts = [pages[f"lessons/{path.stem}.html"].text, *(each.read_text("utf-8") for each in files)]
    texts.append((site / "searchindex.js").read_text("utf-8"))
    for text in texts:
        assert "BEGIN SOLUTION" not in text
        assert "HIDDEN TESTS" not in text
    cut = 0
    for cell in load(path).cells:
        for body in re.findall(r"BEGIN SOLUTION.*\n((?s:.)*?)\n.*END SOLUTION", cell.source):
            cut += 1
            for line in [each.strip() for each in body.splitlines() if len(each.strip()) > 25]:
                assert " ".join(line.split()) not in texts[0]
    stubs = texts[0].count("YOUR CODE HERE") + texts[0].count("YOUR ANSWER HERE")
    assert stubs == cut


def test_formulas_are_drawn(pages):
    tags = [name for name, _ in pages["lessons/01_lab_color.html"].tags]
    assert tags.count("math") > 5
    assert "\\begin" not in pages["lessons/01_lab_color.html"].text


def sections(text: str) -> dict[str, str]:
    return dict(re.findall(r"^## (\d\d) [^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def test_objectives_are_those_of_the_notebooks():
    written = sections((DOCS / "instructors" / "objectives.md").read_text("utf-8"))
    for path in NOTEBOOKS:
        (cell,) = [each for each in load(path).cells if each.source.startswith("## Objectives")]
        bullets = re.findall(r"^- (.*(?:\n  .*)*)", cell.source, re.MULTILINE)
        own = [re.sub(r"(,( and)?|\.)$", "", " ".join(each.split())) for each in bullets]
        rows = re.findall(r"^\| (.+?) \|", written[path.stem[:2]], re.MULTILINE)[1:]
        assert rows == own


def test_objectives_have_every_exercise_with_its_points():
    written = sections((DOCS / "instructors" / "objectives.md").read_text("utf-8"))
    for name, lesson in LESSONS.items():
        listed = re.findall(r"`(\w+)` \((\d+)\)", written[name[:2]])
        assert sorted(listed) == sorted((each.name, str(each.points)) for each in lesson)


def test_timetables_and_rubric_name_exercises_that_there_are():
    known = {each.name: each.points for lesson in LESSONS.values() for each in lesson}
    timetables = (DOCS / "instructors" / "timetables.md").read_text("utf-8")
    assert set(re.findall(r"`([a-z]\w*_\w+)`", timetables)) <= set(known)
    rubric = (DOCS / "instructors" / "rubric.md").read_text("utf-8")
    questions = re.findall(r"^### `(\w+)` \(lesson \d\d, (\d+) points\)", rubric, re.MULTILINE)
    by_hand = {
        each.name: each.points
        for lesson in LESSONS.values()
        for each in lesson
        if type(each).__name__ == "Question"
    }
    assert {name: int(points) for name, points in questions} == by_hand


def test_the_minutes_of_the_timetables_add_up():
    text = (DOCS / "instructors" / "timetables.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d):(\d\d) \| *(\d*) *\|", text, re.MULTILINE)
    now = 0
    for hour, minute, minutes in rows:
        assert int(hour) * 60 + int(minute) == now
        now += int(minutes or 0)
    assert now == 240
    (shape,) = re.findall(r"^\| minutes \| what \|\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    day = re.findall(r"^\| (\d+) \|", shape, re.MULTILINE)
    assert sum(int(minutes) for minutes in day) == 180


def test_the_guide_sums_up_grades(tmp_path):
    guide = (DOCS / "instructors" / "guide.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(import csv\n.*?)```", guide, re.DOTALL)
    rows = ["student,notebook,exercise,score,max_score,note"]
    rows += ["ada,01,x,3,3,", "ada,03,y,,4,to be graded by hand", "bo,01,x,0.5,3,a, b"]
    (tmp_path / "grades.csv").write_text("\n".join(rows) + "\n", "utf-8")
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    with (tmp_path / "totals.csv").open(encoding="utf-8", newline="") as file:
        totals = {row["student"]: row["total"] for row in csv.DictReader(file)}
    assert totals == {"ada": "3.0", "bo": "0.5"}
