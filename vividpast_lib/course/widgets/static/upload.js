// Files in, by choosing or by dropping. They are sent in pieces, each when the one before has
// arrived: a message of more than 10 MB would cut the notebook's connection to the kernel.

const PIECE = 1 << 20;
let count = 0;

export default {
  render({ model, el }) {
    const id = `vp-upload-${(count += 1)}-${Math.random().toString(36).slice(2)}`;
    el.classList.add("vp-upload");
    el.innerHTML = `<label for="${id}"></label><input type="file" id="${id}">`;
    const [label, input] = el.children;
    let arrived = () => {};
    let queue = Promise.resolve();

    const say = () => {
      label.textContent = model.get("label");
      input.accept = model.get("accept");
      input.multiple = model.get("multiple");
    };
    const send = async (file) => {
      model.send({ type: "begin", name: file.name, size: file.size });
      if (file.size > model.get("largest")) return; // the kernel says so
      for (let start = 0; start < file.size; start += PIECE) {
        const piece = await file.slice(start, start + PIECE).arrayBuffer();
        const answer = new Promise((resolve) => (arrived = resolve));
        model.send({ type: "piece" }, undefined, [piece]);
        await answer;
      }
      model.send({ type: "end" });
    };
    const take = (files) => {
      for (const file of model.get("multiple") ? files : [...files].slice(0, 1))
        queue = queue.then(() => send(file)).catch((error) => model.send({ type: "failed", name: file.name, reason: String(error) }));
    };
    input.addEventListener("change", () => {
      take([...input.files]);
      input.value = ""; // the same file may come again
    });
    el.addEventListener("dragover", (event) => {
      event.preventDefault();
      event.stopPropagation();
      el.classList.add("vp-over");
    });
    el.addEventListener("dragleave", () => el.classList.remove("vp-over"));
    el.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      el.classList.remove("vp-over");
      take([...event.dataTransfer.files]);
    });
    const heard = (message) => message.type === "arrived" && arrived();
    model.on("msg:custom", heard);
    model.on("change", say);
    say();
    return () => {
      model.off("msg:custom", heard);
      model.off("change", say);
    };
  },
};
