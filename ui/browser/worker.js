// The worker: loads the model, then answers messages `{ id, name, photo, data }` one after another.
import * as ort from "../runtime/ort.wasm.bundle.min.mjs";
import { createLoader, progressText } from "./loader.js";
import { createModel } from "./model.js";
import { check } from "./photo.js";
import { Refused } from "./refused.js";
import { dequantised } from "./weights.js";
import { createReader } from "./words.js";
import { createCompleter, createDescriber } from "./writer.js";

const NEEDED = ["runtime", "words", "answers", "image_encoder", "image_encoder_weights", "question", "question_weights"]; // for an answer
const THREADS = 4; // more do not make a photo faster
const BASE = new URL("../model/", import.meta.url).href;
const BROKEN = "Something went wrong in this browser; reload the page and try once more.";

// A file's session. Weights that are stored in 8 bits become float32 here, which is faster than in the runtime.
async function session({ config: { tensors }, loader }, name) {
  const graph = new Uint8Array(await loader.bytes(name));
  const data = tensors[name] && dequantised(await loader.bytes(`${name}_weights`), tensors[name]);
  return ort.InferenceSession.create(graph, { executionProviders: ["wasm"], externalData: data ? [{ path: "weights", data }] : [] });
}

// Two promises: of what answers, and of what writes captions and completions.
function load() {
  const start = performance.now();
  const files = (async () => {
    // Not compared by its date: a login page that came instead may be newer, and the browser would use it again.
    const response = await fetch(new URL("model.json", BASE), { cache: "reload" }).catch(() => null);
    if (!response?.ok) throw new Refused("The model cannot be loaded, as the connection is lost; reload the page when it is back.");
    const config = await response.json();
    const report = (done, of, seconds) => postMessage({ status: { loading: progressText(done, of, seconds), done, of } });
    return { config, loader: createLoader(BASE, config.files, NEEDED.filter((name) => config.files[name]), report) };
  })();
  const model = (async () => {
    const { config, loader } = await files;
    ort.env.logLevel = "error";
    ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, THREADS) : 1;
    ort.env.wasm.wasmBinary = await loader.bytes("runtime");
    const read = createReader(await loader.json("words")), answers = await loader.json("answers");
    const sessions = { image_encoder: await session(await files, "image_encoder"), question: await session(await files, "question") };
    postMessage({ status: { loading: "" } });
    return createModel(ort, sessions, { ...config, answers }, read, (performance.now() - start) / 1000);
  })();
  const writers = (async () => {
    const { config, loader } = await files, { caption, complete } = config;
    await model;
    await last; // an answer first
    const parts = async (...names) => Object.fromEntries(await Promise.all(names.map(async (name) => [name, await session(await files, name)])));
    const completer = complete && createCompleter(ort, (await parts("complete_step")).complete_step, complete);
    const describer = caption && createDescriber(ort, await parts("caption_photo", "caption_step"), { ...caption, words: await loader.json("caption_words") });
    loader.tidy();
    return { completer, describer, config };
  })();
  for (const promise of [model, writers]) promise.catch((error) => postMessage({ status: { loading: "", failed: sentence(error) } }));
  return { model, writers };
}

const sentence = (error) => {
  if (error instanceof Refused) return error.message;
  console.error(error);
  return BROKEN;
};
const { model, writers } = load();
const pause = () => new Promise((resolve) => setTimeout(resolve));

const functions = {
  look: async (photo) => {
    await check(photo.file); // before the model is there
    await (await model).look(photo);
    return { picture: "" };
  },
  ask: async (photo, question) => (await model).ask(photo, question),
  evidence: async (photo, question, answer) => (await model).evidence(photo, question, answer),
  what_if: async (photo, question, mask) => (await model).whatIf(photo, question, mask),
  occlusion: async (photo, question) => (await model).occlusion(photo, question, pause),
  describe: async (photo, beam, temperature, seed) => {
    const { describer, config } = await writers;
    if (!describer) throw new Refused("This page has no model that writes captions.");
    const { grid, seconds } = await (await model).look(photo);
    return describer(grid, config.grid, beam, temperature, seed, seconds);
  },
  complete: async (_, text, top) => (await writers).completer?.(text, top) ?? [],
};

let last = Promise.resolve(); // the runtime computes one thing at a time
onmessage = ({ data: { id, name, photo, data } }) => {
  last = last.then(async () => {
    try {
      postMessage({ id, result: await functions[name](photo, ...data) });
    } catch (error) {
      postMessage({ id, refused: sentence(error) });
    }
  });
};
