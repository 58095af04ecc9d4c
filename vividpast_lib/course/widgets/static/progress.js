// How far a long job is, in a bar and in words; nothing while there is none.

export default {
  render({ model, el }) {
    el.classList.add("vp-progress");
    el.innerHTML = '<progress max="1"></progress><span></span>';
    const [bar, words] = el.children;
    const draw = () => {
      // What is in it, too: when a page is laid out, ipywidgets sets the display of el anew.
      for (const each of [el, bar, words]) each.hidden = !model.get("running");
      el.style.display = el.hidden ? "none" : "";
      bar.setAttribute("aria-label", model.get("label"));
      bar.value = model.get("value");
      words.textContent = model.get("text");
    };
    model.on("change", draw);
    draw();
    return () => model.off("change", draw);
  },
};
