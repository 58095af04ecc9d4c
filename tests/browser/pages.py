"""What the tests do on a page and see of it: pixels, keys, files, what axe-core finds."""

import base64
import contextlib
import io
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import ConsoleMessage, Error, Locator, Page, Request, Response

PATIENCE = 120_000  # milliseconds; the machine may be busy
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
# What a page's console may say, each with its reason.
HARMLESS = {
    "https://cdn.jsdelivr.net/npm/@fortawesome/": (
        "Voila asks there for icons that it has itself; `make app` forbids it, and the tests' "
        "browser finds no other machine"
    ),
    "https://cdnjs.cloudflare.com/ajax/libs/mathjax/": (
        "Voila within JupyterLab asks there for formulas' fonts; `make app` has its own"
    ),
}
# What scrolls in JupyterLab and in Voila.
SCROLLERS = ".jp-WindowedPanel-outer, #rendered_cells"


@dataclass
class Watched:
    """A page, with what its console said and what it asked other machines for."""

    page: Page
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    picture: bytes = b""

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", self._error)
        self.page.on("response", self._response)
        self.page.on("request", self._request)
        self.page.on("requestfailed", self._failed)

    def new_errors(self) -> list[str]:
        """Return the errors since the last call."""
        if not self.page.is_closed():
            self.page.evaluate("() => 0")  # what the browser has sent by now is read
        errors, self.errors = self.errors, []
        return errors

    def look(self) -> None:
        """Take a picture of all there is now, also of what would have to be scrolled to."""
        # A page that hangs gives no picture; the test has failed already.
        with contextlib.suppress(Error):
            size = self.page.viewport_size or {"width": 1280, "height": 900}
            hidden = self.page.evaluate(
                "what => Math.max(0, ...[...document.querySelectorAll(what)]"
                ".map(each => each.scrollHeight - each.clientHeight))",
                SCROLLERS,
            )
            self.page.set_viewport_size({**size, "height": min(size["height"] + hidden, 8000)})
            self.picture = self.page.screenshot(full_page=True, timeout=30_000)
            self.page.set_viewport_size(size)

    def keep(self, path: Path) -> None:
        """Put the picture, of now if the page is still open, into a file; its console beside it."""
        if not self.page.is_closed():
            self.look()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.picture)
        path.with_suffix(".txt").write_text("\n".join(self.console) + "\n", "utf-8")

    def _console(self, message: ConsoleMessage) -> None:
        line = f"{message.type}: {message.text} ({message.location.get('url', '')})"
        self.console.append(line)
        if message.type == "error" and not any(part in line for part in HARMLESS):
            self.errors.append(line)

    def _error(self, error: Error) -> None:
        self.console.append(f"page error: {error}\n{error.stack}")
        if not any(part in str(error) for part in HARMLESS):
            self.errors.append(f"page error: {error}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.console.append(f"{response.status}: {response.url}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.outside.append(request.url)

    def _failed(self, request: Request) -> None:
        """A request that the page's policy forbids never leaves the browser."""
        if request.failure == "csp" and request.url in self.outside:
            self.outside.remove(request.url)


def pixels(element: Locator) -> np.ndarray:
    """Return what is seen of an element: uint8 (H, W, 3), one pixel a CSS pixel."""
    shot = element.screenshot(scale="css", animations="disabled", timeout=PATIENCE)
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))


def own_pixels(element: Locator) -> np.ndarray:
    """Return what an <img> or a <canvas> holds, at its own size: uint8 (H, W, 4)."""
    data = element.evaluate(
        """async element => {
            if (element instanceof HTMLCanvasElement) return element.toDataURL("image/png");
            await element.decode();
            const blob = await (await fetch(element.currentSrc)).blob();
            return await new Promise(done => {
                const reader = new FileReader();
                reader.onload = () => done(reader.result);
                reader.readAsDataURL(blob);
            });
        }"""
    )
    picture = Image.open(io.BytesIO(base64.b64decode(data.split(",", 1)[1])))
    return np.asarray(picture.convert("RGBA"))


def tab_to(page: Page, role: str, name: str, limit: int = 100) -> Locator:
    """Press Tab until the element of this role and name has the focus, as those without a mouse do.

    Raises
    ------
    AssertionError
        If ``limit`` presses don't lead there; it says where they led.
    """
    wanted = page.get_by_role(role, name=name)
    passed = []
    for _ in range(limit):
        page.keyboard.press("Tab")
        if wanted.evaluate_all("found => found.includes(document.activeElement)"):
            return page.locator(":focus")
        passed.append(
            page.evaluate(
                """() => {
                    const {tagName, className, innerText} = document.activeElement;
                    return `${tagName.toLowerCase()}.${className} ${(innerText || "").slice(0, 30)}`
                }"""
            )
        )
    raise AssertionError(f"Tab never reached the {role} {name!r}, but: {'; '.join(passed)}")


def download(button: Locator) -> tuple[str, bytes]:
    """Press a button that gives a file; its name and content."""
    with button.page.expect_download(timeout=PATIENCE) as coming:
        button.click()
    return coming.value.suggested_filename, Path(coming.value.path()).read_bytes()


def upload(button: Locator, *files: Path) -> None:
    """Press a button that asks for files, and choose these."""
    with button.page.expect_file_chooser(timeout=PATIENCE) as chooser:
        button.click()
    chooser.value.set_files(list(files))


def drop(target: Locator, *files: Path) -> None:
    """Drop files on an element, as if dragged there from a folder."""
    dragged = [
        {
            "name": file.name,
            "type": mimetypes.guess_type(file.name)[0] or "",
            "data": base64.b64encode(file.read_bytes()).decode(),
        }
        for file in files
    ]
    target.evaluate(
        """(target, dragged) => {
            const transfer = new DataTransfer();
            for (const {name, type, data} of dragged) {
                const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], name, {type}));
            }
            const {x, y, width, height} = target.getBoundingClientRect();
            const init = {
                dataTransfer: transfer, bubbles: true, cancelable: true,
                clientX: x + width / 2, clientY: y + height / 2,
            };
            for (const kind of ["dragenter", "dragover", "drop"]) {
                target.dispatchEvent(new DragEvent(kind, init));
            }
        }""",
        dragged,
    )


def violations(page: Page, within: str | None = None) -> list[str]:
    """List what axe-core finds serious or critical on a page, or within a CSS selector.

    Each is a line with the rule, how bad it is, what it asks for, and the first elements at fault;
    they are printed too, as pytest shortens long lists.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(
        "async within => (await axe.run(within || document, {resultTypes: ['violations']}))"
        ".violations",
        within,
    )
    lines = [
        f"{each['id']} ({each['impact']}): {each['help']}, {len(each['nodes'])} times: "
        + " | ".join(node["html"][:200] for node in each["nodes"][:3])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    print("\n".join(lines))
    return lines


def too_wide(page: Page, width: int = 320, height: int = 256) -> list[str]:
    """List what of a page of Voila is cut off or must be scrolled sideways in a narrow window.

    320 x 256 is what is left of 1280 x 1024 pixels at 400 % zoom (WCAG 2.2, 1.4.10 Reflow).
    """
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": height})
    found = page.evaluate(
        """async () => {
            const frame = () => new Promise(requestAnimationFrame)
            await frame(); await frame()
            const wide = element => {
                const {width, height, right} = element.getBoundingClientRect()
                if (width <= 1 || height <= 1) return false  // for screen readers alone
                const {overflowX} = getComputedStyle(element)
                return right > innerWidth + 1
                    || overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1
            }
            return [...document.querySelectorAll("#rendered_cells *")]
                .filter(element => !element.closest("svg *, mjx-container *") && wide(element))
                .map(element => element.cloneNode().outerHTML.slice(0, 200))
        }"""
    )
    page.set_viewport_size(before)
    return found


def run_in_kernel(page: Page, code: str) -> str:
    """Run code in the kernel of the notebook that is open in JupyterLab; what it prints."""
    return page.evaluate(
        """async code => {
            const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const future = kernel.requestExecute({code, store_history: false});
            let printed = "";
            future.onIOPub = ({header, content}) => {
                if (header.msg_type === "stream") printed += content.text;
                if (header.msg_type === "error") printed += `${content.ename}: ${content.evalue}`;
            };
            await future.done;
            return printed;
        }""",
        code,
    )


def run_lab(page: Page) -> None:
    """Wait until the notebook's kernel is ready, run all cells, and see that none fails."""
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
        "?.status === 'idle'",
        timeout=PATIENCE,
    )
    page.get_by_text("| Idle").first.wait_for(timeout=PATIENCE)
    page.evaluate("() => { jupyterapp.commands.execute('runmenu:run-all') }")
    # The notebook was opened without counts: each cell has one as soon as it has run.
    page.wait_for_function(
        """() => {
            const {content, sessionContext} = jupyterapp.shell.currentWidget;
            const cells = content.widgets.map(cell => cell.model)
                .filter(cell => cell.type === "code" && cell.sharedModel.getSource().trim());
            const failed = cells.some(cell =>
                cell.outputs.toJSON().some(output => output.output_type === "error"));
            const ran = cells.every(cell =>
                cell.executionCount !== null && cell.executionState !== "running");
            return failed || (ran && sessionContext.session.kernel.status === "idle");
        }""",
        timeout=PATIENCE,
    )
    failed = page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model)
            .filter(cell => cell.type === "code").flatMap(cell => cell.outputs.toJSON())
            .filter(output => output.output_type === "error")
            .map(output => `${output.ename}: ${output.evalue}`)"""
    )
    assert failed == [], f"a cell failed: {failed}"
    _wait_for_widgets(page)


def run_voila(page: Page, address: str) -> None:
    """Open a page of Voila, wait until all its cells have run, and see that none fails."""
    page.goto(address, timeout=PATIENCE, wait_until="commit")
    page.wait_for_function(
        """() => document.getElementById("rendered_cells")
            && !document.getElementById("loading")
            && !document.querySelector('script[type="application/vnd.voila.cell-output+json"]')""",
        timeout=PATIENCE,
    )
    failed = page.get_by_text("There was an error when executing cell").all_inner_texts()
    assert failed == [], f"a cell failed: {failed}"
    _wait_for_widgets(page)


def _wait_for_widgets(page: Page) -> None:
    """Wait until no widget is but announced."""
    page.wait_for_function(
        "() => ![...document.querySelectorAll('.jp-OutputArea-output')]"
        ".some(output => output.textContent.includes('Loading widget...'))",
        timeout=PATIENCE,
    )
