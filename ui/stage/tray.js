// The photos of this visit, as a row of small pictures to switch between; one that is on the stage alone needs no row.
import { icon, make } from "../static/dom.js";

export const MOST = 24; // photos at once
const SIDE = 112; // pixels of a small picture

// Draw the middle square of a picture, or an icon where the browser cannot read it.
async function draw(file, node) {
  const canvas = make("canvas", { width: SIDE, height: SIDE });
  try {
    const bitmap = await createImageBitmap(file);
    const side = Math.min(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
    bitmap.close();
    node.replaceChildren(canvas);
  } catch {
    node.replaceChildren(icon("picture"));
  }
}

export function createTray({ onSwitch }) {
  const element = make("ul", { class: "tray", "aria-label": "Your photos", hidden: true });
  const photos = new Map(); // a thread to its item
  let current = null;
  const redraw = () => {
    element.hidden = [...photos.keys()].every((one) => one === current);
    photos.forEach((item, one) => item.firstChild.setAttribute("aria-pressed", one === current));
  };
  return {
    element,
    all: () => [...photos.keys()],
    find: (id) => [...photos.keys()].find((one) => one.id === id),
    async add(one) {
      if (photos.has(one)) return;
      const node = make("button", { type: "button", title: one.name, "aria-label": one.name, onclick: () => onSwitch(one) });
      photos.set(one, make("li", {}, node));
      element.append(photos.get(one));
      redraw();
      await draw(one.file, node);
    },
    remove(one) {
      photos.get(one)?.remove();
      photos.delete(one);
      redraw();
    },
    // The same photo again takes the place of the earlier one.
    only(one) {
      for (const other of this.all()) if (other !== one && other.id === one.id) this.remove(other);
    },
    current(one) {
      current = one;
      redraw();
      photos.get(one)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    },
  };
}
