// Read cases as JSON from standard input, and write what the page's scripts compute for them.
import { readFileSync } from "node:fs";
import { createLoader } from "../../../ui/browser/loader.js";
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
  // A part over a line that may be cut, in a browser whose own cache holds other bytes than the host.
  load: ({ status, data, cut, sha256, stale }) => {
    const bodyOf = (content) => new ReadableStream({ start: (line) => { line.enqueue(content); if (cut) line.error(new Error("cut")); else line.close(); } });
    if (stale) globalThis.caches = { open: async () => ({ match: async () => undefined, put: async () => {} }) };
    globalThis.fetch = async (_, { cache }) => new Response(bodyOf(stale && cache !== "no-store" ? bytes(stale) : bytes(data)), { status });
    const loader = createLoader("http://host/", { one: { parts: [{ path: "one", bytes: 3, sha256 }], compressed: false } }, [], () => {});
    return loader.bytes("one").then(base64, ({ message }) => message);
  },
  read: ({ settings, questions }) => {
    const read = createReader(settings);
    return questions.map((question) => refusable(() => read(question)));
  },
};

const { name, cases } = JSON.parse(readFileSync(0, "utf8"));
const results = [];
for (const one of cases) results.push(await functions[name](one));
process.stdout.write(JSON.stringify(results));
