// What ui/api/server.js is to the app: the same functions, which a worker in this browser computes. `vqa export-page` puts
// this file in its place, so that the page's other modules are those of the app.
import { Refused } from "../browser/refused.js";
import { drawSheet } from "../browser/sheet.js";

export { Refused };

const MOST_BYTES = 64 << 20;
const waiting = new Map(); // number of a request to what resolves it
let worker = null, status = { loading: "the model", done: 0, of: 1 }, count = 0;

export const onConnection = () => {}; // there is no server to lose

function start() {
  worker = new Worker(new URL("../browser/worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data: { id, status: next, result, refused } }) => {
    if (next) return void (status = next);
    const [resolve, reject] = waiting.get(id);
    waiting.delete(id);
    if (refused === undefined) resolve(result);
    else reject(new Refused(refused));
  };
  worker.onerror = () => {
    status = { loading: "" };
    for (const [, reject] of waiting.values()) reject(new Refused("This browser cannot run the model; use a current Chrome, Edge, Firefox or Safari."));
    waiting.clear();
    worker.terminate();
    worker = null; // the next question tries again
  };
}

function send(name, photo, data) {
  if (!worker) start();
  return new Promise((resolve, reject) => {
    waiting.set((count += 1), [resolve, reject]);
    worker.postMessage({ id: count, name, photo, data });
  });
}

export async function call(name, ...data) {
  if (!worker) start();
  if (name === "status") return { waiting: waiting.size, ...status };
  if (name === "did_you_mean") return { text: "" }; // the model that mends questions stays with the app
  return send(name, null, data);
}

export async function about(photo, name, ...data) {
  const { id, file } = photo;
  if (name !== "picture") return send(name, { id, file }, data);
  const answers = [];
  for (const question of data[0]) answers.push([question, await send("ask", { id, file }, [question])]);
  return { url: await drawSheet(file, answers) };
}

// "Upload" a file: it stays here, and is named by the hash of its content.
export async function upload(file) {
  if (file.size > MOST_BYTES) throw new Refused("The file is too large; choose one of at most 64 MB.");
  if (!globalThis.crypto?.subtle) return { id: `${file.size}-${Math.random().toString(36).slice(2)}` }; // over plain HTTP
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return { id: [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
}

export async function shared() {
  throw new Refused("The photo of this link is not in this browser; choose it again.");
}

export async function example(photo) {
  const response = await fetch(new URL(photo, document.baseURI)).catch(() => null);
  if (!response?.ok) throw new Refused("The example cannot be loaded, as the connection is lost.");
  return response.blob();
}
