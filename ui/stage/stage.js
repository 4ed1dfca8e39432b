// The stage: one photo, the heat on it, and the tools: see it plain, mark a part, cover a part, zoom.
import { button, icon, make } from "../static/dom.js";
import { looked } from "../thread/sentences.js";
import { drawHeat, peakPlace } from "./heat.js";
import { marking } from "./marking.js";

const more = (text) => make("span", { class: "more" }, ` ${text}`); // left out on a phone
const ZOOMS = [1, 1.5, 2, 3, 4];

export function createStage({ onMark, onCover, onNew }) {
  const photo = make("img", { alt: "the photo that is asked about", draggable: "false" });
  const heat = make("canvas", { class: "heat", role: "img", "aria-label": "no heat yet" });
  const marks = marking({ onMark, onCover });
  const picture = make("div", { class: "picture" }, photo, heat, marks.canvas);
  const frame = make("div", { class: "frame" }, picture);
  const place = make("span", { class: "place" });
  const legend = make("p", { class: "legend", hidden: true },
    make("span", {}, "looked least"), make("i", { "aria-hidden": "true" }), make("span", {}, "looked most here"), place);
  let zoom = 0, drawn = null, pinned = false;

  const eye = button(icon("eye"), () => plain((pinned = !pinned)), { "aria-pressed": "false", title: "Show the photo without heat (hold Space)" });
  eye.append("Plain", more("photo"));
  function covering(on) {
    marks.mode(on ? "cover" : "mark");
    cover.setAttribute("aria-pressed", on);
    brush.hidden = !on;
  }
  const cover = button(icon("brush"), () => {
    covering(marks.mode() === "mark");
    marks.canvas.focus({ preventScroll: true });
  }, { "aria-pressed": "false", title: "Paint over a part of the photo and see what the answer becomes" });
  cover.append("Cover", more("a part"));
  const brush = make("span", { class: "brush", hidden: true },
    make("label", {}, "Brush", make("input", { type: "range", min: 1, max: 9, step: 2, value: 5, oninput: (event) => marks.size(+event.target.value) })),
    button("Uncover", () => marks.clear()));
  const zoomed = (step) => () => {
    zoom = Math.min(Math.max(zoom + step, 0), ZOOMS.length - 1);
    fit();
  };
  const tools = make("div", { class: "tools", role: "group", "aria-label": "Photo" }, eye, cover, brush,
    make("span", { class: "pair" }, button(icon("minus"), zoomed(-1), { "aria-label": "zoom out" }), button(icon("plus"), zoomed(1), { "aria-label": "zoom in" })),
    make("button", { type: "button", class: "new", onclick: onNew }, "New", more("photo")));
  const element = make("div", { class: "shown", hidden: true }, frame, make("div", { class: "under" }, legend, marks.status), tools);

  // The photo fills the frame, small ones too; zoomed in, the frame scrolls, and what is in its middle stays there.
  function fit() {
    if (!photo.naturalWidth || !frame.clientWidth) return;
    const middle = (at, seen, all) => (all ? (at + seen / 2) / all : 0.5);
    const x = middle(frame.scrollLeft, frame.clientWidth, frame.scrollWidth), y = middle(frame.scrollTop, frame.clientHeight, frame.scrollHeight);
    const scale = Math.min(frame.clientWidth / photo.naturalWidth, frame.clientHeight / photo.naturalHeight) * ZOOMS[zoom];
    picture.style.width = `${Math.max(1, Math.floor(photo.naturalWidth * scale))}px`;
    picture.style.height = `${Math.max(1, Math.floor(photo.naturalHeight * scale))}px`;
    frame.classList.toggle("zoomed", zoom > 0);
    frame.scrollTo(x * frame.scrollWidth - frame.clientWidth / 2, y * frame.scrollHeight - frame.clientHeight / 2);
    marks.draw();
  }
  new ResizeObserver(fit).observe(frame);
  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomed(event.deltaY < 0 ? 1 : -1)();
  }, { passive: false });

  function plain(on) {
    picture.classList.toggle("plain", on);
    eye.setAttribute("aria-pressed", on);
  }
  // Space is the eye wherever it does not type or press something.
  const free = (event) => event.code === "Space" && !element.hidden && !event.target.closest("input, textarea, select, button, summary, a, dialog, canvas.marks.cover");
  addEventListener("keydown", (event) => {
    if (!free(event)) return;
    event.preventDefault();
    plain(true);
  });
  addEventListener("keyup", (event) => event.code === "Space" && !pinned && plain(false));

  return {
    element, marks,
    // The photo at this address; null for none.
    async setPhoto(url) {
      element.hidden = !url;
      this.show(null);
      marks.reset();
      covering(false);
      zoom = 0;
      if (!url) return photo.removeAttribute("src");
      photo.src = url;
      await photo.decode().catch(() => {});
      fit();
    },
    // Lay a map over the photo, or over a part of it; null for none.
    show(layer, part) {
      drawn = layer;
      legend.hidden = !layer;
      picture.classList.toggle("grey", Boolean(layer));
      heat.hidden = !layer;
      marks.part(part ?? null);
      if (!layer) return;
      drawHeat(heat, layer, part);
      const text = looked(layer.label, peakPlace(layer));
      heat.setAttribute("aria-label", text);
      place.textContent = layer.label === "looked" ? "" : layer.label;
    },
    layer: () => drawn,
  };
}
