// Paint over a part of the photo: with mouse or finger, or with the arrow keys and the space bar.
"use strict";

window.glimpse.paint = ({ element, props, watch, trigger }) => {
  const { make, answer, failed, percent } = window.glimpse;
  const CELLS = 28; // of the mask, a side
  let cells = new Uint8Array(CELLS * CELLS), cursor = null, erasing = false, painting = false, photo = null;

  const canvas = make("canvas", {
    class: "paint", tabindex: 0, width: 2 * 16 * CELLS, height: 2 * 16 * CELLS, role: "application",
    "aria-label": "the photo: paint over what is to be hidden; arrow keys move, the space bar paints, Delete clears",
  });
  const status = make("p", { class: "note", "aria-live": "polite" });
  const brush = make("input", { type: "range", min: 1, max: 9, step: 2, value: 5, "aria-label": "size of the brush" });
  const eraser = make("button", { type: "button", class: "chip", "aria-pressed": "false", onclick: () => {
    erasing = !erasing;
    eraser.setAttribute("aria-pressed", erasing);
  } }, "erase");
  const clear = make("button", { type: "button", class: "chip", onclick: () => wipe() }, "start over");
  const controls = make("div", { class: "controls" }, make("label", {}, "brush ", brush), eraser, clear);
  const stage = make("div", { class: "stack" }, canvas);

  function show() {
    const context = canvas.getContext("2d"), step = [canvas.width / CELLS, canvas.height / CELLS];
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = "rgba(31, 12, 71, 0.82)";
    cells.forEach((on, i) => on && context.fillRect((i % CELLS) * step[0], Math.floor(i / CELLS) * step[1], step[0], step[1]));
    if (cursor && document.activeElement === canvas) {
      context.lineWidth = 4;
      context.strokeStyle = "#f98c09";
      const [reach, size] = [(brush.value - 1) / 2, brush.value];
      context.strokeRect((cursor[0] - reach) * step[0], (cursor[1] - reach) * step[1], size * step[0], size * step[1]);
    }
    const covered = cells.reduce((sum, on) => sum + on, 0) / cells.length;
    status.textContent = covered ? `${percent(covered)} of the photo is painted over.` : "Nothing is painted over yet.";
  }

  function dab([x, y], value) {
    const reach = (brush.value - 1) / 2;
    for (let j = Math.max(0, y - reach); j <= Math.min(CELLS - 1, y + reach); j++)
      for (let i = Math.max(0, x - reach); i <= Math.min(CELLS - 1, x + reach); i++) cells[j * CELLS + i] = value;
    show();
  }

  // Send the mask to the server, which applies it when the question is asked.
  function keep() {
    const mask = Array.from({ length: CELLS }, (_, j) => Array.from(cells.slice(j * CELLS, (j + 1) * CELLS)));
    trigger("painted", { mask: cells.some((on) => on) ? mask : null });
  }

  function wipe() {
    cells = new Uint8Array(CELLS * CELLS);
    show();
    keep();
  }

  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((v, k) =>
      Math.min(CELLS - 1, Math.max(0, Math.floor((CELLS * v) / (k ? box.height : box.width)))));
  };
  canvas.addEventListener("pointerdown", (event) => {
    painting = true;
    canvas.setPointerCapture(event.pointerId);
    dab(cellAt(event), erasing ? 0 : 1);
  });
  canvas.addEventListener("pointermove", (event) => painting && dab(cellAt(event), erasing ? 0 : 1));
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, () => {
      if (painting) keep();
      painting = false;
    });
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    cursor ??= [CELLS / 2, CELLS / 2];
    if (MOVES[event.key]) cursor = cursor.map((v, k) => Math.min(CELLS - 1, Math.max(0, v + MOVES[event.key][k])));
    else if (event.key === " ") {
      dab(cursor, erasing ? 0 : 1);
      keep();
    } else if (event.key === "Delete") wipe();
    else return;
    event.preventDefault();
    show();
  });
  canvas.addEventListener("focus", () => { cursor ??= [CELLS / 2, CELLS / 2]; show(); });
  canvas.addEventListener("blur", show);

  function changes(rows) {
    const table = make("table", { class: "changes" }, make("caption", {}, "What changed"),
      make("tr", {}, ...["answer", "before", "after", "change"].map((name) => make("th", { scope: "col" }, name))));
    for (const { answer: name, before, after, change } of rows)
      table.append(make("tr", {}, make("td", {}, name), make("td", {}, percent(before)), make("td", {}, percent(after)),
        make("td", { class: change < 0 ? "fall" : "rise" }, `${change < 0 ? "−" : "+"}${(100 * Math.abs(change)).toFixed(1)} points`)));
    return table;
  }

  function draw() {
    const root = element.querySelector(".glimpse");
    if (!root) return;
    const value = props.value || {};
    root.replaceChildren();
    if (!value.photo) {
      root.append(make("p", { class: "note" }, "Choose a photo first; then paint over a part of it and ask again."));
      return;
    }
    if (value.photo !== photo) {
      photo = value.photo;
      cells = new Uint8Array(CELLS * CELLS);
      stage.replaceChildren(make("img", { src: photo, alt: "the photo to paint on" }), canvas);
    }
    root.append(make("p", { class: "note" }, "Paint over what you want to hide, then ask: what does the answer rest on?"), stage, controls, status);
    if (value.error) root.append(failed(value.error));
    if (value.before)
      root.append(changes(value.changes), make("div", { class: "beside" }, answer(value.before), answer(value.after)));
    show();
  }
  watch("value", draw);
  draw();
};
