// Pillow's resizing in the same whole-number arithmetic: an image is `{ data, width, height }`, 3 bytes a pixel.

const BITS = 22; // of a weight's fraction, as in Pillow's Resample.c
const SUPPORT = 2; // pixels that a bicubic weight reaches
const GAP = 2; // Pillow's reducing_gap: what is larger is averaged over whole blocks first

// Keys's cubic with a = -1/2.
function bicubic(x) {
  const t = Math.abs(x), a = -0.5;
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

// For each of `size` outputs over the stretch 0 to `length` of a row of `count` pixels: its first pixel, how many pixels
// it reads, and their weights, `width` of them an output.
function weightsOf(count, length, size) {
  const scale = length / size, wide = Math.max(scale, 1), support = SUPPORT * wide, width = 2 * Math.ceil(support) + 1;
  const first = new Int32Array(size), reads = new Int32Array(size), weights = new Int32Array(size * width);
  for (let i = 0; i < size; i++) {
    const centre = (i + 0.5) * scale;
    first[i] = Math.max(Math.trunc(centre - support + 0.5), 0);
    reads[i] = Math.min(Math.trunc(centre + support + 0.5), count) - first[i];
    const found = Array.from({ length: reads[i] }, (_, k) => bicubic((k + first[i] - centre + 0.5) * (1 / wide)));
    const sum = found.reduce((a, b) => a + b, 0);
    found.forEach((weight, k) => (weights[i * width + k] = Math.trunc((weight / sum) * 2 ** BITS + (weight < 0 ? -0.5 : 0.5))));
  }
  return { first, reads, weights, width };
}

// Resize each row, and turn rows into columns: two passes resize both sides.
function pass(data, width, height, { first, reads, weights, width: most }) {
  const size = first.length, out = new Uint8ClampedArray(3 * size * height);
  for (let j = 0; j < height; j++)
    for (let i = 0; i < size; i++) {
      let red = 1 << (BITS - 1), green = red, blue = red, at = 3 * (j * width + first[i]);
      for (let k = i * most, end = k + reads[i]; k < end; k++, at += 3) {
        red = (red + Math.imul(data[at], weights[k])) | 0;
        green = (green + Math.imul(data[at + 1], weights[k])) | 0;
        blue = (blue + Math.imul(data[at + 2], weights[k])) | 0;
      }
      const to = 3 * (i * height + j);
      out[to] = red >> BITS; // clamped to a byte
      out[to + 1] = green >> BITS;
      out[to + 2] = blue >> BITS;
    }
  return out;
}

// The mean of each block of `fx` by `fy` pixels; those at the right and lower edge may be smaller.
export function reduce({ data, width, height }, fx, fy) {
  if (fx === 1 && fy === 1) return { data, width, height };
  const w = Math.ceil(width / fx), h = Math.ceil(height / fy), out = new Uint8ClampedArray(3 * w * h);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const right = Math.min((x + 1) * fx, width), bottom = Math.min((y + 1) * fy, height);
      const count = (right - x * fx) * (bottom - y * fy), multiplier = Math.trunc(Math.fround(2 ** 24 / count));
      for (let channel = 0; channel < 3; channel++) {
        let sum = count >> 1;
        for (let row = y * fy; row < bottom; row++)
          for (let column = x * fx; column < right; column++) sum += data[3 * (row * width + column) + channel];
        out[3 * (y * w + x) + channel] = Math.floor((sum * multiplier) / 2 ** 24);
      }
    }
  return { data: out, width: w, height: h };
}

// How many pixels of a side are averaged before the weights are applied.
export const gap = (length, size) => Math.max(Math.trunc(length / size / GAP), 1);

// The whole image as a square of `size` pixels a side: `Image.resize((size, size), BICUBIC, reducing_gap=2.0)`.
export function square(image, size) {
  const fx = gap(image.width, size), fy = gap(image.height, size);
  return stretch(reduce(image, fx, fy), size, image.width / fx, image.height / fy);
}

// The second half of it: of an image that was averaged over blocks, the part 0 to `right` by 0 to `bottom`.
export function stretch({ data, width, height }, size, right, bottom) {
  if (right === size && bottom === size) return data;
  const columns = pass(data, width, height, weightsOf(width, Math.fround(right), size)); // Pillow's box has 32 bits
  return pass(columns, height, size, weightsOf(height, Math.fround(bottom), size));
}

// How much smaller a JPEG's decoder makes a photo for Pillow (`Image.draft`): 1, 2, 4 or 8 times.
export function draft(width, height, size) {
  const most = Math.min(Math.floor(width / size), Math.floor(height / size));
  return [8, 4, 2].find((factor) => factor <= most) ?? 1;
}
