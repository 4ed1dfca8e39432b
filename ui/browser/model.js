// The model in the browser: as vqa/predict.py and vqa/evidence.py, over the files that `vqa export-page` writes.
import { Refused } from "./refused.js";
import { cover, squareOf } from "./photo.js";
import { answerOf, best, calibrated } from "./scores.js";
import { short } from "./words.js";

const CACHED = 16; // photos
const BATCH = 7; // photos that are encoded at once
const MOST_CELLS = 128; // a side of a mask

// `ort`: the module of onnxruntime-web; `sessions`: `image_encoder` and `question`; `read`: questions to numbers.
export function createModel(ort, sessions, config, read, loadSeconds) {
  const { size, grid: [height, width] } = config, places = height * width, photos = new Map();
  const [mean, std] = [config.mean, config.std].map((values) => [0, 1, 2].map((c) => Math.fround((values[c] ?? values) * 255)));
  const whole = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [values.length]);

  // Squares of bytes `(size, size, 3)` to grids `(P, N, D)`.
  async function encode(squares) {
    const pixels = new Float32Array(3 * size * size * squares.length);
    squares.forEach((bytes, p) => {
      for (let i = 0, at = 3 * size * size * p; i < size * size; i++)
        for (let c = 0; c < 3; c++) pixels[at + c * size * size + i] = (bytes[3 * i + c] - mean[c]) / std[c];
    });
    const { grid } = await sessions.image_encoder.run({ pixel_values: new ort.Tensor("float32", pixels, [squares.length, 3, size, size]) });
    return grid;
  }

  // One question about each of P photos.
  async function run(grid, ids, outputs) {
    const count = grid.dims[0], rows = (values) => whole(Array(count).fill(values).flat()).reshape([count, ids.length]);
    return sessions.question.run({ grid, input_ids: rows(ids), attention_mask: rows(ids.map(() => 1)), photo_index: whole([...Array(count).keys()]) }, outputs);
  }

  // The answers' probabilities for each of several photos.
  async function probabilities(grid, { ids }) {
    const { logits } = await run(grid, ids, ["logits"]), many = config.answers.length;
    return Array.from({ length: grid.dims[0] }, (_, p) => calibrated(logits.data.subarray(p * many, (p + 1) * many), config));
  }

  // A photo is encoded once: `{ id, file }` to its square and its grid.
  async function look({ id, file }) {
    const known = photos.get(id);
    photos.delete(id);
    const start = performance.now(), pixels = known?.pixels ?? (await squareOf(file, size));
    const seen = known ?? { pixels, grid: await encode([pixels]), seconds: (performance.now() - start) / 1000 };
    photos.set(id, seen); // the last used stands last
    if (photos.size > CACHED) photos.delete(photos.keys().next().value);
    return seen;
  }

  async function answer({ grid, seconds: photo }, question) {
    const start = performance.now(), found = await run(grid, question.ids), maps = [];
    for (let at = 0; at < found.attention.data.length; at += places) maps.push(found.attention.data.slice(at, at + places));
    const rows = { logits: found.logits.data, blind: found.blind.data, falls: found.falls.data, weights: found.word_weights.data, maps };
    return answerOf(config, rows, question, { load: loadSeconds, photo, question: (performance.now() - start) / 1000 });
  }

  function numberOf(text) {
    const index = config.answers.indexOf(text);
    if (index < 0) throw new Refused(`The model has no answer ${short(text)}; choose one of those that it names.`);
    return index;
  }

  const rowsOf = (values) => Array.from({ length: height }, (_, y) => Array.from(values.slice(y * width, (y + 1) * width)));

  return {
    look,
    ask: async (photo, text) => {
      const question = read(text); // before the photo: a bad question is reported at once
      return answer(await look(photo), question);
    },

    // How far an answer's log-probability falls if a place has the photo's mean vector: what vqa/evidence.py computes to
    // first order by a gradient, which the runtime of the browser does not have.
    async evidence(photo, text, name) {
      const question = read(text), index = numberOf(name), { grid } = await look(photo), size = grid.dims[2], { data } = grid;
      const average = Float32Array.from({ length: size }, (_, d) => Array.from({ length: places }, (_, n) => data[n * size + d]).reduce((a, b) => a + b, 0) / places);
      const changed = new Float32Array((places + 1) * data.length);
      for (let n = 0; n <= places; n++) {
        changed.set(data, n * data.length);
        if (n < places) changed.set(average, n * data.length + n * size);
      }
      const rows = await probabilities(new ort.Tensor("float32", changed, [places + 1, places, size]), question);
      const logs = rows.map((row) => Math.log(Math.max(row[index], 1e-30)));
      return { answer: name, map: rowsOf(logs.slice(0, places).map((value) => logs[places] - value)) };
    },

    async whatIf(photo, text, mask) {
      const question = read(text), seen = await look(photo), start = performance.now();
      if (Math.max(mask.length, mask[0]?.length) > MOST_CELLS || !mask.flat().some(Boolean)) throw new Refused("Nothing is painted over; cover a part of the photo first.");
      const pixels = cover(seen.pixels, size, mask), covered = { pixels, grid: await encode([pixels]), seconds: (performance.now() - start) / 1000 };
      const [before, after] = [await answer(seen, question), await answer(covered, question)];
      const [[first], [second]] = [await probabilities(seen.grid, question), await probabilities(covered.grid, question)];
      const names = [...new Set([...before.top, ...after.top].map((score) => score.answer))];
      const changes = names.map((name) => [name, first[numberOf(name)], second[numberOf(name)]]).sort((a, b) => Math.abs(b[2] - b[1]) - Math.abs(a[2] - a[1]));
      return { before, after, changes: changes.map(([name, x, y]) => ({ answer: name, before: x, after: y, change: y - x })) };
    },

    // How far the best answer's probability falls when each place is covered in turn. `again()`: resolves between batches.
    async occlusion(photo, text, again) {
      const question = read(text), { pixels, grid } = await look(photo), [row] = await probabilities(grid, question), index = best(row), falls = [];
      for (let first = 0; first < places; first += BATCH) {
        const cells = Array.from({ length: Math.min(BATCH, places - first) }, (_, k) => first + k);
        const squares = cells.map((n) => cover(pixels, size, rowsOf(Array.from({ length: places }, (_, i) => +(i === n)))));
        for (const chances of await probabilities(await encode(squares), question)) falls.push(row[index] - chances[index]);
        await again();
      }
      return { answer: config.answers[index], map: rowsOf(falls) };
    },
  };
}
