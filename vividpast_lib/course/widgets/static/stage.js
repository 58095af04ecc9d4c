// A picture to point at, or to draw on, by mouse, pen, finger or keys.
//
// Places are [x, y], shares of width and height. A stroke is sent when it ends; until then it is
// drawn here, so that the pen never waits for the kernel.

const STEP = 0.01;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export default {
  render({ model, el }) {
    el.classList.add("vp-stage");
    el.innerHTML =
      '<figure><div class="vp-surface" tabindex="0" role="application"><img draggable="false">' +
      '<canvas aria-hidden="true"></canvas></div><figcaption class="vp-help"></figcaption></figure>' +
      '<div class="vp-hidden" role="status"></div>';
    const [figure, place] = el.children;
    const [surface, help] = figure.children;
    const [image, canvas] = surface.children;
    let url;
    let stroke = null; // the points of the one under way
    let sent = []; // strokes that the picture does not show yet
    let cursor = [0.5, 0.5];
    const drawing = () => model.get("mode") === "draw";

    const show = () => {
      const old = url;
      url = URL.createObjectURL(new Blob([model.get("picture")], { type: "image/png" }));
      image.src = url;
      image.decode().catch(() => {}).finally(() => {
        if (old) URL.revokeObjectURL(old);
        sent = [];
        draw();
      });
    };
    const say = () => {
      image.alt = model.get("alt");
      surface.setAttribute("aria-label", model.get("label"));
      help.textContent = model.get("help");
      surface.setAttribute("aria-roledescription", drawing() ? "picture to draw on" : "picture to point at");
      surface.style.touchAction = drawing() ? "none" : "pan-y"; // a finger can still scroll the page
    };

    const line = (context, points, width, height, radius) => {
      context.beginPath();
      context.moveTo(points[0][0] * width, points[0][1] * height);
      for (const [x, y] of points) context.lineTo(x * width + 0.01, y * height);
      context.lineWidth = Math.max(2, 2 * radius * Math.min(width, height));
      context.stroke();
    };
    const draw = () => {
      const { width, height } = surface.getBoundingClientRect();
      const zoom = window.devicePixelRatio || 1;
      canvas.width = Math.max(1, width * zoom);
      canvas.height = Math.max(1, height * zoom);
      const context = canvas.getContext("2d");
      context.scale(zoom, zoom);
      context.lineCap = context.lineJoin = "round";
      context.strokeStyle = model.get("color");
      for (const points of stroke ? [...sent, stroke] : sent) line(context, points, width, height, model.get("radius"));
      const point = drawing() ? cursor : model.get("point");
      if (!point.length || (drawing() && !surface.matches(":focus-visible"))) return;
      const [x, y] = [point[0] * width, point[1] * height];
      const size = drawing() ? Math.max(4, model.get("radius") * Math.min(width, height)) : 7;
      for (const [color, thick] of [["black", 4], ["white", 2]]) {
        context.strokeStyle = color;
        context.lineWidth = thick;
        context.beginPath();
        context.arc(x, y, size, 0, 7);
        context.moveTo(x - size - 6, y);
        context.lineTo(x - size, y);
        context.moveTo(x + size, y);
        context.lineTo(x + size + 6, y);
        context.stroke();
      }
    };

    const at = (event) => {
      const box = surface.getBoundingClientRect();
      const within = (share) => Math.min(Math.max(share, 0), 0.9999);
      return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
    };
    const point = ([x, y]) => {
      model.set("point", [x, y]);
      model.save_changes();
      draw();
    };
    const finish = () => {
      if (!stroke) return;
      sent.push(stroke);
      model.send({ type: "stroke", points: stroke });
      stroke = null;
      draw();
    };

    surface.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      surface.focus({ preventScroll: true, focusVisible: false });
      surface.setPointerCapture(event.pointerId);
      cursor = at(event);
      if (drawing()) stroke = [cursor];
      else point(cursor);
      draw();
    });
    surface.addEventListener("pointermove", (event) => {
      if (!surface.hasPointerCapture(event.pointerId)) return;
      cursor = at(event);
      if (!drawing()) return point(cursor);
      stroke?.push(cursor);
      draw();
    });
    surface.addEventListener("pointerup", finish);
    surface.addEventListener("pointercancel", finish);

    surface.addEventListener("keydown", (event) => {
      const arrow = ARROWS[event.key];
      if (arrow) {
        const from = drawing() ? cursor : model.get("point").length ? model.get("point") : cursor;
        cursor = from.map((share, axis) => Math.min(Math.max(share + STEP * arrow[axis], 0), 0.9999));
        if (drawing() && event.shiftKey) (stroke ??= [from]).push(cursor);
        if (!drawing()) point(cursor);
        draw();
        place.textContent = `${Math.round(100 * cursor[0])} % from the left, ${Math.round(100 * cursor[1])} % from the top`;
      } else if (drawing() && (event.key === "Enter" || event.key === " ")) {
        stroke ??= [cursor];
        finish();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    surface.addEventListener("keyup", (event) => event.key === "Shift" && finish());
    surface.addEventListener("focus", draw);
    surface.addEventListener("blur", () => {
      finish();
      draw();
    });

    const resized = new ResizeObserver(draw);
    resized.observe(surface);
    const events = {
      "change:picture": show,
      "change:alt change:label change:help change:mode": say,
      "change:point change:color change:radius": draw,
    };
    for (const [name, handle] of Object.entries(events)) model.on(name, handle);
    show();
    say();
    return () => {
      for (const [name, handle] of Object.entries(events)) model.off(name, handle);
      resized.disconnect();
      URL.revokeObjectURL(url);
    };
  },
};
