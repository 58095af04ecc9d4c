// A button; the kernel makes the file when it is pressed, and sends it in pieces.

export default {
  render({ model, el }) {
    el.innerHTML = '<button type="button" class="vp-button jupyter-button"></button>';
    const [button] = el.children;
    let pieces = [];

    const say = () => {
      button.textContent = model.get("label");
      button.disabled = model.get("disabled");
    };
    const heard = (message, buffers) => {
      if (message.type === "piece") pieces.push(buffers[0]);
      if (message.type !== "end") return;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob(pieces, { type: message.mime }));
      link.download = message.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      pieces = [];
    };
    button.addEventListener("click", () => model.send({ type: "wanted" }));
    model.on("msg:custom", heard);
    model.on("change", say);
    say();
    return () => {
      model.off("msg:custom", heard);
      model.off("change", say);
    };
  },
};
