// Two pictures of one size, and a divider between them that can be dragged or moved by keys.

export default {
  render({ model, el }) {
    el.classList.add("vp-divided");
    el.innerHTML =
      '<div class="vp-divider"><img class="vp-after"><img class="vp-before"><div class="vp-line"></div>' +
      '<input type="range" min="0" max="100" step="1"></div>' +
      '<div class="vp-names"><span></span><span></span></div>';
    const [frame, names] = el.children;
    const [after, before, , input] = frame.children;
    const urls = {};

    const show = (image, key) => {
      const url = URL.createObjectURL(new Blob([model.get(key)], { type: "image/png" }));
      const old = urls[key];
      image.src = urls[key] = url;
      if (old) image.decode().catch(() => {}).finally(() => URL.revokeObjectURL(old));
    };
    const move = () => {
      const at = model.get("position");
      frame.style.setProperty("--at", `${at}%`);
      if (Number(input.value) !== at) input.value = at;
      input.setAttribute("aria-valuetext", `${at} % of the width is ${model.get("before_name")}`);
    };
    const say = () => {
      before.alt = model.get("before_alt");
      after.alt = model.get("after_alt");
      input.setAttribute("aria-label", model.get("label"));
      names.children[0].textContent = `◂ ${model.get("before_name")}`;
      names.children[1].textContent = `${model.get("after_name")} ▸`;
      move();
    };
    const showBefore = () => show(before, "before");
    const showAfter = () => show(after, "after");
    input.addEventListener("input", () => {
      model.set("position", Number(input.value));
      model.save_changes();
    });
    const events = {
      "change:before": showBefore,
      "change:after": showAfter,
      "change:position": move,
      "change:before_alt change:after_alt change:before_name change:after_name change:label": say,
    };
    for (const [name, handle] of Object.entries(events)) model.on(name, handle);
    showBefore();
    showAfter();
    say();
    return () => {
      for (const [name, handle] of Object.entries(events)) model.off(name, handle);
      Object.values(urls).forEach(URL.revokeObjectURL);
    };
  },
};
