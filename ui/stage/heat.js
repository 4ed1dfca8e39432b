// Maps of weights as heat over the photo.

// Inferno in nine perceptually even steps (Smith & van der Walt 2015), safe for colour-blind eyes; as in vqa/show/heat.py.
const STEPS = "000003 1f0c47 550f6d 88216a ba3655 e35832 f98c09 f8c931 fcfea4".split(" ");
const SIZE = 224; // pixels of the heat, stretched over the photo

// The colour of a value from 0 to 1: red, green, blue, and how opaque it is.
export function colour(value) {
  const at = Math.min(Math.max(value, 0), 1) * (STEPS.length - 1);
  const low = Math.min(Math.floor(at), STEPS.length - 2);
  const [a, b] = [STEPS[low], STEPS[low + 1]].map((step) => [0, 2, 4].map((k) => parseInt(step.slice(k, k + 2), 16)));
  return [...a.map((from, k) => from + (at - low) * (b[k] - from)), 255 * 0.8 * Math.sqrt(Math.min(Math.max(value, 0), 1))];
}

// A map to draw: its weights row by row, and `top`, the weight of the hottest colour.
export function layer(label, rows, least = 1e-9) {
  const weights = rows.flat().map((weight) => Math.max(weight, 0));
  return { label, weights, height: rows.length, width: rows[0].length, top: Math.max(least, ...weights) };
}

// The looks of an answer: all together first, then each. `top` is at least twice an even share, so that an even map is
// not drawn hot everywhere.
export function looks({ attention: { maps, height, width }, glimpse }) {
  if (!maps.length) return [];
  const rows = (map) => Array.from({ length: height }, (_, i) => map.slice(i * width, (i + 1) * width));
  const even = 2 / (height * width);
  const mean = maps[0].map((_, i) => maps.reduce((sum, map) => sum + map[i], 0) / maps.length);
  const all = layer("looked", rows(mean), even);
  if (maps.length === 1) return [all];
  return [all, ...maps.map((map, g) => layer(`look ${g + 1}${g === glimpse ? ", which carried the answer" : ""}`, rows(map), even))];
}

const ROWS = ["upper", "", "lower"], COLUMNS = ["left", "", "right"];

// The place of the greatest weight in words; null if all are about equal.
export function peakPlace({ weights, height, width }) {
  const top = Math.max(...weights);
  if (top <= (1.05 * weights.reduce((a, b) => a + b, 0)) / weights.length) return null;
  const at = weights.indexOf(top);
  const row = Math.floor((3 * (Math.floor(at / width) + 0.5)) / height);
  const column = Math.floor((3 * ((at % width) + 0.5)) / width);
  if (row === 1 && column === 1) return "centre";
  if (column === 1) return row === 0 ? "top" : "bottom";
  return `${ROWS[row]} ${COLUMNS[column]}`.trim();
}

// Draw a layer on a canvas that lies over the part `[x, y, width, height]` of the photo, all as shares.
export function drawHeat(canvas, { weights, height, width, top }, part) {
  const small = Object.assign(document.createElement("canvas"), { width, height });
  const cells = small.getContext("2d").createImageData(width, height);
  weights.forEach((weight, i) => cells.data.set([255 * Math.min(weight / top, 1), 0, 0, 255], 4 * i));
  small.getContext("2d").putImageData(cells, 0, 0);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  canvas.width = canvas.height = SIZE;
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, width, height, 0, 0, SIZE, SIZE);
  const pixels = context.getImageData(0, 0, SIZE, SIZE);
  const table = Uint32Array.from({ length: 256 }, (_, i) => new Uint32Array(Uint8ClampedArray.from(colour(i / 255)).buffer)[0]);
  const whole = new Uint32Array(pixels.data.buffer); // a pixel at a time, its red in the lowest byte
  for (let i = 0; i < whole.length; i++) whole[i] = table[pixels.data[4 * i]];
  context.putImageData(pixels, 0, 0);
  const [x, y, w, h] = part ?? [0, 0, 1, 1];
  Object.assign(canvas.style, { left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * w}%`, height: `${100 * h}%` });
}
