// A marked part of the photo as a picture of its own.
import { make } from "../static/dom.js";

// `part` is `[x, y, width, height]` as shares of the photo at `url`.
export async function cutOut(url, part) {
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  const [x, y, width, height] = part.map((value, k) => Math.round(value * (k % 2 ? bitmap.height : bitmap.width)));
  const canvas = make("canvas", { width: Math.max(width, 1), height: Math.max(height, 1) });
  canvas.getContext("2d").drawImage(bitmap, -x, -y);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
