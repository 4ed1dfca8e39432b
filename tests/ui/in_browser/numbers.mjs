// Read cases as JSON from standard input, and write what the page's scripts compute for them.
import { readFileSync } from "node:fs";
import { cover, sizeOf } from "../../../ui/browser/photo.js";
import { draft, square } from "../../../ui/browser/resize.js";
import { answerOf } from "../../../ui/browser/scores.js";
import { dequantised } from "../../../ui/browser/weights.js";
import { createReader } from "../../../ui/browser/words.js";

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const base64 = (data) => Buffer.from(data).toString("base64");
const refusable = (action) => { try { return action(); } catch ({ message }) { return { refused: message }; } };

const functions = {
  square: ({ data, width, height, size }) => base64(square({ data: bytes(data), width, height }, size)),
  draft: ({ width, height, size }) => draft(width, height, size),
  cover: ({ data, size, mask }) => base64(cover(bytes(data), size, mask)),
  size: ({ data }) => sizeOf(bytes(data)),
  answer: ({ config, output, question }) => answerOf(config, output, question, {}),
  dequantise: ({ data, tensors }) => base64(dequantised(bytes(data).buffer, tensors)),
  read: ({ settings, questions }) => {
    const read = createReader(settings);
    return questions.map((question) => refusable(() => read(question)));
  },
};

const { name, cases } = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(cases.map(functions[name])));
