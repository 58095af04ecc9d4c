// One sentence on how things stand; screen readers read it out when it changes.

export default {
  render({ model, el }) {
    el.classList.add("vp-message");
    el.setAttribute("role", "status");
    const say = () => {
      const wrong = model.get("is_error");
      el.classList.toggle("vp-error", wrong);
      el.textContent = wrong ? `Error: ${model.get("text")}` : model.get("text");
    };
    // JupyterLab would take the keys that are meant for the demo's controls.
    requestAnimationFrame(() => el.closest(".vividpast")?.setAttribute("data-lm-suppress-shortcuts", "true"));
    model.on("change", say);
    say();
    return () => model.off("change", say);
  },
};
