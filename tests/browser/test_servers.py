"""The ground itself: who can reach the servers, what they give away, and that widgets live."""

import numpy as np
import psutil
import pytest
from PIL import Image

from .pages import download, drop, own_pixels, pixels, run_in_kernel, tab_to, too_wide, upload

# A slider, and a widget of our own: its square has the colour that Python says, and a click asks
# for the next; files may be chosen or dropped.
CELLS = (
    """
import ipywidgets
slider = ipywidgets.IntSlider(3, 0, 10, description="Warmth", continuous_update=False)
label = ipywidgets.Label("warmth 3")
slider.observe(lambda change: setattr(label, "value", f"warmth {change.new}"), "value")
ipywidgets.VBox([slider, label])
""",
    """
import anywidget, traitlets
class Square(anywidget.AnyWidget):
    color = traitlets.Unicode("rgb(200, 40, 30)").tag(sync=True)
    names = traitlets.List().tag(sync=True)
    _esm = '''
    function render({model, el}) {
        el.innerHTML = `<canvas class="square" width="40" height="30" role="img"
            aria-label="a square"></canvas><button>Next</button><button>Open</button>
            <a download="colour.txt" href="data:text/plain,red">Save</a><output></output>`
        const [canvas, next, open] = el.children
        const draw = () => {
            const context = canvas.getContext("2d")
            context.fillStyle = model.get("color")
            context.fillRect(0, 0, 40, 30)
        }
        const add = files => {
            model.set("names", [...files].map(file => `${file.name} ${file.type} ${file.size}`))
            model.save_changes()
        }
        model.on("change:color", draw)
        next.onclick = () => { model.set("color", "rgb(30, 40, 200)"); model.save_changes() }
        open.onclick = () => {
            const input = Object.assign(document.createElement("input"), {type: "file"})
            input.onchange = () => add(input.files)
            input.click()
        }
        canvas.ondragover = event => event.preventDefault()
        canvas.ondrop = event => { event.preventDefault(); add(event.dataTransfer.files) }
        model.on("change:names", () => {
            el.querySelector("output").textContent = model.get("names").join()
        })
        draw()
    }
    export default {render}
    '''
square = Square()
square
""",
)
RED, BLUE = (200, 40, 30), (30, 40, 200)


@pytest.fixture(scope="module", params=["open_in_lab", "open_in_voila"])
def page(request, write_notebook):
    open_notebook = request.getfixturevalue(request.param)
    with open_notebook(write_notebook("widgets", *CELLS)) as page:
        yield page


def test_a_widget_is_seen_heard_and_answers_to_keys(page):
    """In both, a key reaches Python, Python's answer comes back, and tests can see it."""
    page.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("warmth 4").wait_for()

    square = page.locator("canvas.square")
    assert (own_pixels(square) == (*RED, 255)).all()
    assert (pixels(square)[2:-2, 2:-2] == RED).all()
    assert square.aria_snapshot() == '- img "a square"'
    button = page.get_by_role("button", name="Open")
    button.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    tab_to(page, "button", "Next", limit=5)
    page.keyboard.press("Enter")
    page.wait_for_function(
        """() => {
            const context = document.querySelector("canvas.square").getContext("2d")
            return context.getImageData(5, 5, 1, 1).data[2] === 200
        }"""
    )
    assert (own_pixels(square) == (*BLUE, 255)).all()


def test_files_come_and_go(page, tmp_path):
    photo = tmp_path / "ä photo.png"
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(photo)
    size = photo.stat().st_size
    upload(page.get_by_role("button", name="Open"), photo)
    page.get_by_text(f"ä photo.png image/png {size}").wait_for()
    text = tmp_path / "dropped.txt"
    text.write_bytes(bytes(range(256)))
    drop(page.locator("canvas.square"), text)
    page.get_by_text("dropped.txt text/plain 256").wait_for()
    assert download(page.get_by_role("link", name="Save")) == ("colour.txt", b"red")


def test_pages_have_kernels_of_their_own_that_end_with_them(
    lab, write_notebook, open_in_lab, open_in_voila
):
    before = lab.kernels()
    first, second = (write_notebook(name, *CELLS) for name in ("first", "second"))
    with open_in_lab(first) as a, open_in_lab(second) as b, open_in_voila(first):
        assert len(lab.kernels()) == len(before) + 3
        run_in_kernel(a, "slider.value = 7")
        a.get_by_text("warmth 7").wait_for()
        assert run_in_kernel(b, "print(slider.value)") == "3\n"
    assert len(lab.kernels()) == len(before)


def test_a_cell_that_fails_is_told(write_notebook, open_in_lab, open_in_voila):
    broken = write_notebook("broken", "1 / 0", "print('later')")
    for open_notebook in (open_in_lab, open_in_voila):
        with pytest.raises(AssertionError, match="a cell failed"), open_notebook(broken):
            pass


def test_what_a_console_tells_fails_a_test(new_page, opened):
    with new_page() as page:
        page.evaluate("() => { console.error('one'); setTimeout(() => { throw Error('two') }) }")
        page.wait_for_function("() => true")
        page.evaluate("() => new Promise(done => setTimeout(done))")
        one, two = opened[-1].new_errors()
        assert "one" in one and "two" in two


def test_what_is_too_wide_is_found(new_page):
    with new_page() as page:
        page.set_content(
            """<div id="rendered_cells" style="width: 300px"><p>fits</p><p style="width: 400px">cut
            </p><div style="overflow: auto"><b style="padding: 0 200px">scrolls</b></div></div>"""
        )
        assert [line[:3] for line in too_wide(page)] == ["<p ", "<di", "<b "]
        assert page.viewport_size == {"width": 1280, "height": 900}


def test_axe_finds_what_is_wrong(new_page, axe):
    with new_page() as page:
        page.set_content("<title>t</title><main><img src='data:,'><button></button></main>")
        found = axe(page)
        assert {line.split()[0] for line in found} == {"html-has-lang", "image-alt", "button-name"}
        assert [line.split()[0] for line in axe(page, "button")] == ["button-name"]


@pytest.mark.parametrize("server", ["lab", "app"])
def test_servers_listen_on_loopback_alone(server, request):
    connections = psutil.Process(request.getfixturevalue(server).pid).net_connections("tcp")
    listening = {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_the_app_gives_no_file_away(app):
    """Neither the notebook's own source nor anything beside or above it."""
    assert (app.folder / "09_demos.ipynb").is_file()
    for start in ("", "voila/files/", "voila/static/", "voila/templates/lab/static/"):
        for up in ("", "../", "%2e%2e/", "..%2f"):
            for name in ("09_demos.ipynb", "pyproject.toml", "docs/images/contact_sheet.jpg"):
                assert app.get(f"/{start}{up}{name}")[0] >= 400, f"{start}{up}{name}"


def test_the_app_runs_no_code_of_a_visitor(app):
    """No list of kernels, no contents, no terminals, no JupyterLab."""
    for path in ("/api/kernels", "/api/contents", "/api/sessions", "/api/terminals", "/lab"):
        assert app.get(path)[0] in (403, 404), path
    # Nor is a page of elsewhere let in whose name was made to lead here.
    assert app.get("/voila/api/shutdown/x", "POST", Host="evil.example")[0] == 403
    assert app.get("/", Host="evil.example")[0] == 403


def test_the_app_asks_nobody_and_leaves_nothing_behind(app, open_app, opened):
    """No other machine is asked; a page that is closed leaves no kernel, and no file is made."""
    before = sorted(app.folder.rglob("*"))
    process = psutil.Process(app.pid)
    others = set(process.children())
    with open_app() as page:
        assert page.get_by_role("heading", level=1).count() == 1
        assert opened[-1].outside == []
        (kernel,) = set(process.children()) - others
    kernel.wait(timeout=60)
    assert sorted(app.folder.rglob("*")) == before
