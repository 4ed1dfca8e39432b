// Models that write: a sentence about a photo, and the rest of a question; as vqa/captioning and vqa/language.
import { Refused } from "./refused.js";
import { softmax } from "./scores.js";

const SPECIAL = 4; // numbers that stand for no word and no character:
const WORD = { PAD: 0, UNKNOWN: 1, START: 2, END: 3 };
const CHARACTER = { PAD: 0, START: 1, END: 2, UNKNOWN: 3 };
const TOP_P = 0.9; // of sampled captions
const LONGEST = 300, BEAM = 6, MOST = 48; // of completions
const sum = (values) => values.reduce((a, b) => a + b, 0);

// The logarithms of the chances of row `k` of logits `(K, V)`, without the banned numbers.
function chances(logits, k, size, banned) {
  const row = logits.slice(k * size, (k + 1) * size);
  for (const number of banned) row[number] = -Infinity;
  return Float64Array.from(softmax(row), Math.log);
}

// The `count` best of `[score, …]`, the first of equal ones first.
const highest = (found, count) => found.sort((a, b) => b[0] - a[0]).slice(0, count);

// The indices of the `count` largest values.
function largest(values, count) {
  const found = [];
  values.forEach((value, i) => {
    if (value === -Infinity || (found.length === count && value <= values[found.at(-1)])) return;
    const at = found.findIndex((other) => value > values[other]);
    found.splice(at < 0 ? found.length : at, 0, i);
    found.length = Math.min(found.length, count);
  });
  return found;
}

// Numbers that are as random as the seed (mulberry32).
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Rows `rows` of an array `(K, size)`.
function chosen(data, rows, size) {
  const out = new Float32Array(rows.length * size);
  rows.forEach((row, i) => out.set(data.subarray(row * size, (row + 1) * size), i * size));
  return out;
}

// `sessions`: `caption_photo` and `caption_step`; config: `words`, those that a caption may have `again`, `most`, `hidden`.
export function createDescriber(ort, sessions, { words, again = [], most, hidden }) {
  const { PAD, UNKNOWN, START, END } = WORD;
  const size = SPECIAL + words.length, repeated = new Set(again.map((word) => SPECIAL + words.indexOf(word)));

  // A caption's step for K hypotheses, by their words so far, each from row `rows[k]` of the step before.
  async function begin(grid) {
    let { values, keys, h, c } = await sessions.caption_photo.run({ grid });
    return async (written, rows) => {
      const last = written.map((numbers) => numbers.at(-1) ?? START);
      const state = (data) => new ort.Tensor("float32", chosen(data.data, rows, hidden), [rows.length, hidden]);
      const word = new ort.Tensor("int64", BigInt64Array.from(last, BigInt), [last.length]);
      const found = await sessions.caption_step.run({ word, h: state(h), c: state(c), values, keys });
      [h, c] = [found.new_h, found.new_c];
      const places = found.attention.data.length / last.length;
      const banned = [PAD, UNKNOWN, START, ...(last.every((one) => one === START) ? [END] : [])];
      const once = (numbers) => numbers.filter((number) => !repeated.has(number));
      return written.map((numbers, k) => [chances(found.logits.data, k, size, [...banned, ...once(numbers)]), found.attention.data.slice(k * places, (k + 1) * places)]);
    };
  }

  // The best of `beam` hypotheses, as steps `[number, its logarithm, the map]`.
  async function search(grid, beam) {
    const step = await begin(grid);
    let going = [{ total: 0, row: 0, steps: [] }], done = [];
    for (let t = 0; going.length; t++) {
      const output = await step(going.map(({ steps }) => steps.map(([number]) => number)), going.map(({ row }) => row));
      const next = done.map((one) => [one.total, one]);
      going.forEach(({ total, steps }, k) => {
        const [logs, map] = output[k];
        for (const number of t === most ? [END] : largest(logs, beam))
          next.push([total + logs[number], { total: total + logs[number], row: k, steps: [...steps, [number, logs[number], map]] }]);
      });
      const kept = highest(next, beam).map(([, one]) => one), ended = ({ steps }) => steps.at(-1)[0] === END;
      [done, going] = [kept.filter(ended), kept.filter((one) => !ended(one))];
    }
    return done.reduce((a, b) => (b.total > a.total ? b : a));
  }

  async function sample(grid, temperature, seed) {
    const step = await begin(grid), next = random(seed), steps = [];
    for (let last = START; last !== END; ) {
      const [[logs, map]] = await step([steps.map(([number]) => number)], [0]), rows = softmax(logs, temperature);
      const order = [...rows.keys()].sort((a, b) => rows[b] - rows[a]);
      let inside = 0, count = 0, pick = 0;
      while (inside < TOP_P) inside += rows[order[count++]];
      for (let at = next() * inside - rows[order[0]]; at > 0 && pick < count - 1; at -= rows[order[pick]]) pick++;
      last = steps.length === most ? END : order[pick];
      steps.push([last, logs[last], map]);
    }
    return { steps };
  }

  return async function (grid, side, beam, temperature, seed, photoSeconds) {
    const start = performance.now();
    let found = temperature ? await sample(grid, temperature, seed) : await search(grid, 1);
    if (!temperature && beam > 1) {
      const wide = await search(grid, beam);
      if (wide.total > found.total) found = wide;
    }
    const written = found.steps.filter(([number]) => number >= SPECIAL), [height, width] = side;
    return {
      text: written.map(([number]) => words[number - SPECIAL]).join(" ").replace(/ (?='|n't\b)/g, ""),
      score: sum(found.steps.map(([, log]) => log)),
      words: written.map(([number, log, map]) => ({
        word: words[number - SPECIAL], probability: Math.exp(log),
        attention: Array.from({ length: height }, (_, y) => Array.from(map.slice(y * width, (y + 1) * width))),
      })),
      seconds: { photo: photoSeconds, caption: (performance.now() - start) / 1000 },
    };
  };
}

// `session`: `complete_step`; config: `characters`, `layers`, `hidden`.
export function createCompleter(ort, session, { characters, layers, hidden }) {
  const { PAD, UNKNOWN, START, END } = CHARACTER;
  const numbers = new Map(characters.map((character, i) => [character, SPECIAL + i])), size = SPECIAL + characters.length;
  const zero = () => new ort.Tensor("float32", new Float32Array(layers * hidden), [layers, 1, hidden]);

  async function read(ids, h, c) {
    const found = await session.run({ ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [ids.length]), h, c });
    return [found.logits.data, found.new_h, found.new_c];
  }
  // The states `(L, K, H)` of some of K hypotheses.
  function selected({ data, dims }, rows) {
    const out = new Float32Array(layers * rows.length * hidden);
    for (let layer = 0; layer < layers; layer++)
      out.set(chosen(data.subarray(layer * dims[1] * hidden, (layer + 1) * dims[1] * hidden), rows, hidden), layer * rows.length * hidden);
    return new ort.Tensor("float32", out, [layers, rows.length, hidden]);
  }

  // As `vqa.language.complete.Completer.complete`.
  return async function (text, top) {
    const prefix = text.toLowerCase().split(/\s+/).filter(Boolean).join(" ") + (/\s$/.test(text) && text.trim() ? " " : "");
    if (prefix.length > LONGEST) throw new Refused(`The text has ${prefix.length} characters; at most ${LONGEST} can be read.`);
    let h = zero(), c = zero(), logits;
    for (const id of [END, ...[...prefix].map((character) => numbers.get(character) ?? UNKNOWN)]) [logits, h, c] = await read([id], h, c);
    let going = [{ total: 0, text: prefix }], done = [];
    for (let t = 0; t < MOST; t++) {
      const next = going.flatMap(({ total, text: before }, k) => {
        const logs = chances(logits, k, size, [PAD, UNKNOWN, START]);
        return largest(logs, Math.max(BEAM, top)).map((id) => [total + logs[id], k, id, before]);
      });
      const best = highest(next, Math.max(BEAM, top)), open = best.filter(([, , id]) => id !== END);
      done.push(...best.filter(([, , id]) => id === END).map(([total, , , before]) => [total, before]));
      done = highest(done, done.length);
      if (!open.length || (done.length >= top && open[0][0] <= done[top - 1][0])) break;
      going = open.map(([total, , id, before]) => ({ total, text: before + characters[id - SPECIAL] }));
      const rows = open.map(([, k]) => k);
      [logits, h, c] = await read(open.map(([, , id]) => id), selected(h, rows), selected(c, rows));
    }
    return done.slice(0, top).map(([total, found]) => ({ text: found, probability: Math.exp(total) }));
  };
}
