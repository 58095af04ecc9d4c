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
    let demo;
    requestAnimationFrame(() => {
      demo = el.closest(".vividpast");
      demo?.setAttribute("role", "group");
      demo?.setAttribute("aria-label", model.get("demo"));
    });
    // JupyterLab would take the keys that are meant for the demo's controls, such as arrows.
    const keep = (event) => {
      if (!demo?.contains(event.target)) return;
      const command = event.ctrlKey || event.metaKey || event.altKey;
      event.target.toggleAttribute("data-lm-suppress-shortcuts", !command);
    };
    window.addEventListener("keydown", keep, true);
    model.on("change", say);
    say();
    return () => {
      model.off("change", say);
      window.removeEventListener("keydown", keep, true);
    };
  },
};
