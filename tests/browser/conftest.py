"""The ground of the tests in a real browser: a browser, JupyterLab, Voila, and pages on them."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from .pages import AXE, PATIENCE, Watched, run_lab, run_voila, violations
from .servers import ROOT, Server, jupyterlab, voila

OUT = ROOT / "out" / "browser"
DEMOS = ROOT / "notebooks" / "09_demos.ipynb"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing is fetched from elsewhere, and tests are the same with and without a network.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
CHROMIUM = os.environ.get("VIVIDPAST_CHROMIUM") or next(filter(None, map(which, NAMES)), None)
HOW_TO_GET_IT = (
    "no Chromium or Chrome found: install one (on Debian: apt install chromium) or name one with "
    "VIVIDPAST_CHROMIUM=/path/to/it"
)
HOW_TO_GET_AXE = "no axe-core found: run `npm ci --prefix tests/browser` (needs Node.js)"

expect.set_options(timeout=PATIENCE)

Opener = Callable[..., AbstractContextManager[Page]]
failed = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=HOW_TO_GET_IT))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.failed:
        item.stash[failed] = True
    return report


# Fixtures of the whole folder end with it: Playwright leaves an event loop running, which other
# tests' own would trip over, and the servers take memory.


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on an empty folder; it also renders with Voila, as JupyterHub does."""
    with jupyterlab(tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Voila on the demos, as with `make app`."""
    with voila(DEMOS, tmp_path_factory.mktemp("voila")) as server:
        yield server


@pytest.fixture(scope="package")
def write_notebook(lab: Server) -> Callable[..., Path]:
    """Write a notebook of these code cells for JupyterLab: ``write_notebook(name, *cells)``."""

    def write(name: str, *cells: str) -> Path:
        notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
        return _put(notebook, lab.folder / f"{name}.ipynb")

    return write


@pytest.fixture(scope="package")
def demos(lab: Server) -> Path:
    """Give the demos' notebook in JupyterLab's folder, a copy without outputs."""
    return _put(nbformat.read(DEMOS, as_version=4), lab.folder / DEMOS.name)


def _put(notebook: nbformat.NotebookNode, path: Path) -> Path:
    """Write a notebook as if it had never run: the pages tell by the counts what has."""
    notebook.metadata.kernelspec = {
        "name": "python3", "display_name": "Python 3", "language": "python"
    }  # fmt: skip
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="package")
def opened() -> list[Watched]:
    """All pages that are open, and those that the running test has closed."""
    return []


@pytest.fixture(autouse=True)
def _watch(request: pytest.FixtureRequest, opened: list[Watched]) -> Iterator[None]:
    """Fail a test during which a page's console told of an error; keep what a failed one saw."""
    yield
    errors = [error for watched in opened for error in watched.new_errors()]
    if errors or request.node.stash.get(failed, False):
        _keep(opened)
    opened[:] = [watched for watched in opened if not watched.page.is_closed()]
    if errors:
        pytest.fail("a page's console told of errors:\n" + "\n".join(errors), pytrace=False)


def _keep(opened: list[Watched]) -> None:
    """Keep what is seen of all pages: out/browser/TEST.png, TEST.2.png, ..., and their consoles."""
    test = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].rsplit(" (", 1)[0]
    name = re.sub(r"[^\w-]+", "_", test).strip("_")
    for number, watched in enumerate(opened, start=1):
        watched.keep(OUT / (f"{name}.png" if number == 1 else f"{name}.{number}.png"))


@pytest.fixture(scope="package")
def new_page(browser: Browser, opened: list[Watched]) -> Opener:
    """Open an empty page in a profile of its own: ``with new_page(viewport=...) as page``.

    Takes what Playwright's ``browser.new_context`` takes.
    """

    @contextmanager
    def new(**settings: Any) -> Iterator[Page]:
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB"} | settings
        with browser.new_context(**settings) as context:
            context.set_default_timeout(PATIENCE)
            watched = Watched(context.new_page())
            opened.append(watched)
            try:
                yield watched.page
            except BaseException:
                watched.look()
                raise
            if watched.errors:
                watched.look()

    return new


@pytest.fixture(scope="package")
def open_in_lab(lab: Server, new_page: Opener) -> Opener:
    """Open a notebook in JupyterLab and run all its cells: ``with open_in_lab(path) as page``.

    The kernel is its own, and ends with the page. Settings go to `new_page`.
    """

    @contextmanager
    def open_notebook(path: Path, **settings: Any) -> Iterator[Page]:
        with new_page(**settings) as page:
            workspace = f"/lab/workspaces/{path.stem}/tree/{path.name}"
            page.goto(f"{lab.url}{workspace}?token={lab.token}", timeout=PATIENCE)
            try:
                run_lab(page)
                yield page
            finally:
                lab.end_session(path.name)

    return open_notebook


@pytest.fixture(scope="package")
def open_in_voila(lab: Server, new_page: Opener) -> Opener:
    """Open a notebook as a page without code, by JupyterLab's Voila: ``with open_in_voila(path)``.

    The kernel is its own, and ends with the page. Settings go to `new_page`.
    """

    @contextmanager
    def open_notebook(path: Path, **settings: Any) -> Iterator[Page]:
        address = f"{lab.url}/voila/render/{path.name}?token={lab.token}"
        with new_page(**settings) as page:
            try:
                run_voila(page, address)
                yield page
            finally:
                # Voila's own call at the end of a page is refused in JupyterLab.
                for kernel in page.locator("#jupyter-config-data").all_inner_texts():
                    lab.end_kernel(json.loads(kernel)["kernelId"])

    return open_notebook


@pytest.fixture(scope="package")
def open_app(app: Server, new_page: Opener) -> Opener:
    """Open the demos as `make app` shows them: ``with open_app() as page``; see `open_in_voila`."""

    @contextmanager
    def open_page(**settings: Any) -> Iterator[Page]:
        with new_page(**settings) as page:
            run_voila(page, app.url + "/")
            yield page
            page.goto("about:blank")  # as when it is closed: Voila ends the kernel

    return open_page


@pytest.fixture(scope="package")
def lab_page(open_in_lab: Opener, demos: Path) -> Iterator[Page]:
    """Give the demos in JupyterLab, run to their end; one page for all tests."""
    with open_in_lab(demos) as page:
        yield page


@pytest.fixture(scope="package")
def voila_page(open_app: Opener) -> Iterator[Page]:
    """Give the demos as `make app` shows them; one page for all tests."""
    with open_app() as page:
        yield page


@pytest.fixture(scope="package", params=["lab_page", "voila_page"])
def demos_page(request: pytest.FixtureRequest) -> Page:
    """Give the demos in JupyterLab, and then as `make app` shows them."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def axe() -> Callable[..., list[str]]:
    """List what axe-core finds serious or critical: ``assert axe(page) == []``; `violations`."""
    if not AXE.exists():
        pytest.skip(HOW_TO_GET_AXE)
    return violations
