// A film in the browser's own player.

export default {
  render({ model, el }) {
    el.innerHTML = '<video controls loop muted playsinline preload="auto"></video>';
    const [video] = el.children;
    video.muted = true;
    let url;
    const show = () => {
      URL.revokeObjectURL(url);
      url = URL.createObjectURL(new Blob([model.get("film")], { type: "video/mp4" }));
      video.src = url;
    };
    const say = () => video.setAttribute("aria-label", model.get("alt"));
    model.on("change:film", show);
    model.on("change:alt", say);
    show();
    say();
    return () => {
      model.off("change:film", show);
      model.off("change:alt", say);
      URL.revokeObjectURL(url);
    };
  },
};
