// From a model's logits to probabilities: as vqa/predict.py and vqa/model/text.py.
import { Refused } from "./refused.js";

const SURE = 1 / 3, GUESS = 0.05;

export const best = (values) => values.reduce((found, value, i) => (value > values[found] ? i : found), 0);

export function softmax(logits, temperature = 1) {
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(logits, (logit) => Math.exp((logit - top) / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  if (!Number.isFinite(sum)) throw new Refused("The model computes undefined or infinite scores; reload the page.");
  return powers.map((power) => power / sum);
}

// Calibrated probabilities (Guo et al. 2017).
export function calibrated(logits, config) {
  const answer = best(logits), yesNo = ["yes", "no"].includes(config.answers[answer]) && config.yes_no_temperature !== null;
  const [temperature, slope] = (yesNo ? ["yes_no_temperature", "yes_no_temperature_slope"] : ["temperature", "temperature_slope"]).map((name) => config[name]);
  return softmax(logits, temperature * Math.exp(slope * (softmax(logits)[answer] - 0.5)));
}

// The Jensen-Shannon divergence in bits (Lin 1991).
export function divergence(p, q) {
  let bits = 0;
  p.forEach((x, i) => {
    const mean = (x + q[i]) / 2;
    for (const value of [x, q[i]]) if (value > 0) bits += value * Math.log2(value / mean);
  });
  return Math.min(Math.max(bits / 2, 0), 1);
}

const kind = (answer) => (["yes", "no"].includes(answer) ? "yes/no" : /^\d+(\.\d+)?$/.test(answer) ? "number" : "other");

// The object of `vqa ask --json`. `logits`, `blind`, `falls` and `weights` are rows of numbers, `maps` one a glimpse.
export function answerOf(config, { logits, blind, falls, weights, maps }, { words, unknown, note }, seconds, top = 5) {
  const scores = calibrated(logits, config), guess = softmax(blind, config.blind_temperature), mattered = divergence(scores, guess);
  const ranked = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b).slice(0, top).map((i) => ({ answer: config.answers[i], score: scores[i] }));
  const [{ answer, score }] = ranked, without = best(guess), [height, width] = config.grid;
  return {
    answer, confidence: score, top: ranked, blind: { answer: config.answers[without], score: guess[without] },
    photo_mattered: mattered, guess: mattered < GUESS, sure: score >= (config.sure[kind(answer)] ?? SURE) && !note, glimpse: best(falls),
    words: words.map((word, i) => ({ word, weight: weights[i] })), unknown_words: unknown,
    attention: { height, width, maps: maps.map((map) => [...map]) }, seconds, model: config.name, note,
  };
}
