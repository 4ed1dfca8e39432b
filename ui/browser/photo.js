// Photos as the model sees them: a square of bytes. What is refused is refused before it is decoded.
import { Refused } from "./refused.js";
import { draft, gap, reduce, square, stretch } from "./resize.js";

const MOST_PIXELS = 64_000_000, MOST_SIDE = 65_535, MOST_BYTES = 64 << 20;
const STRIP = 1 << 22; // pixels that are read at a time
const FORMATS = "JPEG, PNG, WebP, BMP or GIF";

const text = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

// Width and height in the header of an image file; null if they are not where they should be.
export function sizeOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    if (text(bytes, 1, 4) === "PNG") return [view.getUint32(16), view.getUint32(20)];
    if (text(bytes, 0, 3) === "GIF") return [view.getUint16(6, true), view.getUint16(8, true)];
    if (text(bytes, 0, 2) === "BM") return [view.getInt32(18, true), Math.abs(view.getInt32(22, true))];
    if (text(bytes, 8, 12) === "WEBP") return webp(text(bytes, 12, 16), view);
    if (view.getUint16(0) === 0xffd8) return jpeg(view);
    if (text(bytes, 4, 8) === "ftyp") return boxed(bytes, view);
  } catch { /* cut short */ }
  return null;
}

function webp(kind, view) {
  if (kind === "VP8X") return [24, 27].map((at) => 1 + (view.getUint16(at, true) | (view.getUint8(at + 2) << 16)));
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return [1 + (bits & 0x3fff), 1 + ((bits >> 14) & 0x3fff)];
  }
  return [26, 28].map((at) => view.getUint16(at, true) & 0x3fff);
}

function jpeg(view) {
  for (let at = 2; ; ) {
    const marker = view.getUint16(at);
    if (marker === 0xffff) at += 1; // a filling byte
    else if (marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)) return [view.getUint16(at + 7), view.getUint16(at + 5)];
    else at += 2 + view.getUint16(at + 2);
  }
}

// AVIF and HEIC: the largest of the sizes that the file names.
function boxed(bytes, view) {
  let found = null;
  for (let at = 0; at < bytes.length - 16; at++)
    if (bytes[at] === 0x69 && text(bytes, at, at + 4) === "ispe") {
      const size = [view.getUint32(at + 8), view.getUint32(at + 12)];
      if (!found || size[0] * size[1] > found[0] * found[1]) found = size;
    }
  return found;
}

// Refuse what is too large or no image; the sentences are those of vqa/model/photos.py. The size, if each browser knows
// the format, so that only damage can keep it from decoding.
export async function check(file) {
  if (!file.size) throw new Refused("The photo is empty; copy or save it again.");
  if (file.size > MOST_BYTES) throw new Refused(`The photo has more than ${MOST_BYTES >> 20} MB; scale it down first.`);
  const header = new Uint8Array(await file.slice(0, 1 << 20).arrayBuffer()), size = sizeOf(header);
  if (!size) return null; // the browser may know more formats
  const [width, height] = size, many = (n) => n.toLocaleString("en");
  if (width * height > MOST_PIXELS) throw new Refused(`The photo has ${many(width)} x ${many(height)} pixels, more than ${many(MOST_PIXELS)}; scale it down first.`);
  if (Math.max(width, height) > MOST_SIDE) throw new Refused(`The photo has a side of ${many(Math.max(width, height))} pixels, more than ${many(MOST_SIDE)}; crop it first.`);
  if (!width || !height) throw new Refused("The photo has no pixels; save it again.");
  return text(header, 4, 8) === "ftyp" ? null : size; // not every browser knows AVIF, and few know HEIC
}

// The photo whole, as bytes `(size, size, 3)`: upright, on white where it is transparent, the first frame of several.
export async function squareOf(file, size) {
  const known = await check(file);
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => {
    throw new Refused(known ? "The photo is damaged or cut short; copy or save it again." : `The photo is not an image that this browser reads; save it as ${FORMATS}.`);
  });
  try {
    if (bitmap.width * bitmap.height > MOST_PIXELS) throw new Refused(`The photo has more than ${MOST_PIXELS.toLocaleString("en")} pixels; scale it down first.`);
    const isJpeg = new DataView(await file.slice(0, 2).arrayBuffer()).getUint16(0) === 0xffd8;
    const factor = isJpeg ? draft(bitmap.width, bitmap.height, size) : 1;
    if (factor > 1) return square(read(bitmap, factor, factor), size);
    const fx = gap(bitmap.width, size), fy = gap(bitmap.height, size);
    return stretch(read(bitmap, fx, fy), size, bitmap.width / fx, bitmap.height / fy);
  } finally {
    bitmap.close();
  }
}

// A bitmap's pixels, averaged over blocks of `fx` by `fy`; strip by strip, as a large photo has hundreds of megabytes.
function read(bitmap, fx, fy) {
  const rows = Math.max(Math.floor(STRIP / bitmap.width / fy), 1) * fy, width = Math.ceil(bitmap.width / fx), height = Math.ceil(bitmap.height / fy);
  const canvas = new OffscreenCanvas(bitmap.width, Math.min(rows, bitmap.height)), data = new Uint8ClampedArray(3 * width * height);
  const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  for (let top = 0; top < bitmap.height; top += rows) {
    const count = Math.min(rows, bitmap.height - top);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, bitmap.width, count);
    context.drawImage(bitmap, 0, -top);
    const strip = rgb(context.getImageData(0, 0, bitmap.width, count).data);
    data.set(reduce({ data: strip, width: bitmap.width, height: count }, fx, fy).data, (3 * width * top) / fy);
  }
  canvas.width = canvas.height = 0;
  return { data, width, height };
}

function rgb(data) {
  const out = new Uint8ClampedArray((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    out[to] = data[from];
    out[to + 1] = data[from + 1];
    out[to + 2] = data[from + 2];
  }
  return out;
}

// A square whose masked cells have its mean colour; as `vqa.evidence.cover`. mask: rows of 0 and 1.
export function cover(pixels, size, mask) {
  const out = Uint8ClampedArray.from(pixels), sums = [0, 0, 0];
  pixels.forEach((value, i) => (sums[i % 3] += value));
  const mean = sums.map((sum) => rounded(sum / (size * size)));
  for (let y = 0; y < size; y++) {
    const row = mask[Math.floor((y * mask.length) / size)];
    for (let x = 0; x < size; x++) if (row[Math.floor((x * row.length) / size)]) out.set(mean, 3 * (y * size + x));
  }
  return out;
}

// To the nearest even number, as NumPy's.
const rounded = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));
