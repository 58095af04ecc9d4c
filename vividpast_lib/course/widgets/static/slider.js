// A labelled range: the browser's own, which every keyboard and screen reader knows.

let count = 0;

export default {
  render({ model, el }) {
    const id = `vp-slider-${(count += 1)}-${Math.random().toString(36).slice(2)}`;
    el.classList.add("vp-slider");
    el.innerHTML = `<label for="${id}"></label><input type="range" id="${id}"><span aria-hidden="true"></span>`;
    const [label, input, output] = el.children;

    const draw = () => {
      label.textContent = model.get("label");
      for (const key of ["min", "max", "step"]) input[key] = model.get(key);
      if (Number(input.value) !== model.get("value")) input.value = model.get("value");
      input.disabled = model.get("disabled");
      output.textContent = model.get("text") || `${+Number(input.value).toFixed(2)}`;
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => {
      model.set("value", Number(input.value));
      model.save_changes();
      draw();
    });
    model.on("change", draw);
    draw();
    return () => model.off("change", draw);
  },
};
