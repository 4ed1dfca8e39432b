// What the user draws on the photo: a box to ask about, or brush strokes that hide a part; by mouse, finger or keys.
import { make } from "../static/dom.js";
import { covered } from "../thread/sentences.js";

export const CELLS = 28; // of the mask, a side
const LEAST = 0.04; // a box with a smaller side is a click, which removes the box
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HELP = {
  mark: "the photo: drag a box to ask about a part; or move with the arrow keys, enlarge the box with Shift, and press Enter",
  cover: "the photo: paint over what is to be hidden; arrow keys move, the space bar paints, Delete uncovers",
};
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// A box of two corners, as `[x, y, width, height]`; null if it is too small to be meant.
export function boxOf([ax, ay], [bx, by]) {
  const box = [Math.min(ax, bx), Math.min(ay, by), Math.abs(ax - bx), Math.abs(ay - by)];
  return Math.min(box[2], box[3]) < LEAST ? null : box;
}

// Set the cells of a mask around `(i, j)`, `size` of them a side.
export function dab(cells, [i, j], size, value = 1) {
  const reach = (size - 1) / 2;
  for (let y = Math.max(0, j - reach); y <= Math.min(CELLS - 1, j + reach); y++)
    for (let x = Math.max(0, i - reach); x <= Math.min(CELLS - 1, i + reach); x++) cells[y * CELLS + x] = value;
}

export const share = (cells) => cells.reduce((sum, on) => sum + on, 0) / cells.length;

export const rowsOf = (cells) => Array.from({ length: CELLS }, (_, j) => Array.from(cells.slice(j * CELLS, (j + 1) * CELLS)));

export function marking({ onMark, onCover }) {
  const canvas = make("canvas", { class: "marks mark", tabindex: 0, role: "application", "aria-label": HELP.mark });
  const status = make("p", { class: "covered", role: "status", hidden: true });
  let mode = "mark", size = 5, cells = new Uint8Array(CELLS * CELLS), box = null, from = null, cursor = [14, 14, 6];

  function draw() {
    const ratio = devicePixelRatio || 1;
    const width = (canvas.width = canvas.clientWidth * ratio), height = (canvas.height = canvas.clientHeight * ratio);
    const context = canvas.getContext("2d");
    context.fillStyle = "rgba(16, 14, 24, 0.9)";
    const edge = (k, length) => Math.round((k * length) / CELLS); // whole pixels: cells neither overlap nor leave gaps
    cells.forEach((on, i) => {
      const x = i % CELLS, y = Math.floor(i / CELLS);
      if (on) context.fillRect(edge(x, width), edge(y, height), edge(x + 1, width) - edge(x, width), edge(y + 1, height) - edge(y, height));
    });
    const frame = ([x, y, w, h], colour) => {
      for (const [line, style] of [[4, "#000"], [2, colour]]) {
        context.lineWidth = line * ratio;
        context.strokeStyle = style;
        context.strokeRect(x * width, y * height, w * width, h * height);
      }
    };
    if (box) frame(box, "#ffb35c");
    if (document.activeElement === canvas && canvas.matches(":focus-visible")) {
      const reach = mode === "cover" ? size / 2 : cursor[2] / 2;
      if (mode === "cover" || !box) frame([cursor[0] + 0.5 - reach, cursor[1] + 0.5 - reach, 2 * reach, 2 * reach].map((v) => v / CELLS), "#fff");
    }
    status.hidden = mode !== "cover" && share(cells) === 0;
    status.textContent = covered(share(cells));
  }

  const at = (event) => {
    const area = canvas.getBoundingClientRect();
    return [clamp((event.clientX - area.left) / area.width, 0, 1), clamp((event.clientY - area.top) / area.height, 0, 1)];
  };
  const cellOf = (point) => point.map((value) => Math.min(CELLS - 1, Math.floor(CELLS * value)));
  const tellCover = () => onCover(share(cells) ? rowsOf(cells) : null);

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    from = at(event);
    if (mode === "cover") dab(cells, cellOf(from), size);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    if (mode === "cover") dab(cells, cellOf(at(event)), size);
    else box = boxOf(from, at(event));
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!from) return;
    if (mode === "cover") tellCover();
    else onMark((box = boxOf(from, at(event))));
    from = null;
    draw();
  });
  canvas.addEventListener("pointercancel", () => (from = null));
  canvas.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (move && event.shiftKey && mode === "mark") cursor[2] = clamp(cursor[2] + 2 * (move[0] - move[1]), 2, CELLS);
    else if (move) cursor = [...cursor.slice(0, 2).map((v, k) => clamp(v + move[k], 0, CELLS - 1)), cursor[2]];
    else if (mode === "cover" && event.key === " ") {
      dab(cells, cursor, size);
      tellCover();
    } else if (mode === "cover" && event.key === "Delete") return clear();
    else if (mode === "mark" && event.key === "Enter") {
      const corner = (sign) => cursor.slice(0, 2).map((v) => clamp((v + 0.5 + (sign * cursor[2]) / 2) / CELLS, 0, 1));
      onMark((box = boxOf(corner(-1), corner(1))));
    } else if (mode === "mark" && event.key === "Escape") onMark((box = null));
    else return;
    if (move && mode === "mark") box = null;
    event.preventDefault();
    draw();
  });
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);

  function clear() {
    cells = new Uint8Array(CELLS * CELLS);
    draw();
    tellCover();
  }

  return {
    canvas, status, draw, clear,
    mode(next) {
      if (next) {
        mode = next;
        canvas.className = `marks ${mode}`;
        canvas.setAttribute("aria-label", HELP[mode]);
        draw();
      }
      return mode;
    },
    size: (next) => { size = next; draw(); },
    part: (next) => { box = next; draw(); },
    // Show this mask, or none, without telling.
    mask(rows) {
      if (from) return; // somebody is painting
      cells = rows ? Uint8Array.from(rows.flat()) : new Uint8Array(CELLS * CELLS);
      draw();
    },
    reset() {
      this.mask(null);
      this.part(null);
    },
  };
}
