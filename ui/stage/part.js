// A marked part of the photo is cut out and asked about like a photo of its own.
import { upload } from "../api/server.js";
import { make } from "../static/dom.js";

// `part` is `[x, y, width, height]` as shares of the photo at `url`.
async function cutOut(url, part) {
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  const [x, y, width, height] = part.map((value, k) => Math.round(value * (k % 2 ? bitmap.height : bitmap.width)));
  const canvas = make("canvas", { width: Math.max(width, 1), height: Math.max(height, 1) });
  canvas.getContext("2d").drawImage(bitmap, -x, -y);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// The photo that a turn is about: `one`, or the part of it that was marked.
export async function photoOf(turn, one) {
  if (!turn.part) return one;
  if (turn.cut?.()) return turn.cut();
  const file = await cutOut(one.url, turn.part);
  const cut = { file, name: "part.png", ...(await upload(file, "part.png")) };
  Object.defineProperty(turn, "cut", { value: () => cut, enumerable: false });
  return cut;
}
