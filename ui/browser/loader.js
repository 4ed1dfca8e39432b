// The model's files: fetched in parts, compared with their hashes, and stored in the browser for the next visit.
import { Refused } from "./refused.js";

const STORE = "glimpse-model";
const EVERY = 100; // milliseconds between two reports of progress

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

// How far loading is, in words: bytes, and after a second the time that is left.
export function progressText(done, of, seconds) {
  const left = done ? (seconds * (of - done)) / done : 0;
  const time = seconds < 1 || done === of ? "" : `, about ${left < 90 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} minutes`} left`;
  return `the model: ${megabytes(done)} of ${megabytes(of)} MB${time}`;
}

// `files`: name to `{ parts: [{ path, bytes, sha256 }] }`, by addresses relative to `base`. `report(done, of, seconds)`
// is called while the files `needed` are loaded. The result fetches a file by its name.
export function createLoader(base, files, needed, report) {
  const start = performance.now(), of = needed.flatMap((name) => files[name].parts).reduce((sum, { bytes }) => sum + bytes, 0);
  const opened = globalThis.caches?.open(STORE).catch(() => null) ?? Promise.resolve(null);
  let done = 0, reported = 0;

  function count(bytes) {
    done += bytes;
    if (performance.now() - reported < EVERY && done < of) return;
    reported = performance.now();
    report(Math.min(done, of), of, (performance.now() - start) / 1000);
  }

  async function body(response, counts) {
    const chunks = [], reader = response.body.getReader();
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      chunks.push(chunk.value);
      if (counts) count(chunk.value.length);
    }
    return new Blob(chunks).arrayBuffer();
  }

  // Stored are parts that were compared with their hash, as they were before they were compressed: the next visit is faster.
  async function part({ path, bytes, sha256 }, compressed, counts) {
    const url = new URL(path, base).href, store = await opened, stored = await store?.match(url);
    if (stored) {
      if (counts) count(bytes);
      return stored.arrayBuffer();
    }
    // What is stored here is not stored by the browser's own cache, which would give a damaged part again and again.
    const response = await fetch(url, { cache: store ? "no-store" : "default" }).catch(() => null);
    const content = response && (await body(response, counts).catch(() => null));
    if (!content) throw new Refused("The model cannot be loaded, as the connection is lost; reload the page when it is back.");
    const found = globalThis.crypto?.subtle ? hex(await crypto.subtle.digest("SHA-256", content)) : sha256; // over plain HTTP there is no hash
    if (!response.ok || content.byteLength !== bytes || found !== sha256) throw new Refused(`A part of the model is missing or damaged (${path}); reload the page, or upload the folder again.`);
    const whole = compressed ? await new Response(new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer() : content;
    store?.put(url, new Response(whole)).catch(() => {}); // the storage may be full; nobody waits for it
    return whole;
  }

  return {
    async bytes(name) {
      const { parts, compressed } = files[name], contents = [];
      for (const one of parts) contents.push(await part(one, compressed, needed.includes(name)));
      return contents.length === 1 ? contents[0] : new Blob(contents).arrayBuffer();
    },
    async json(name) {
      return JSON.parse(new TextDecoder().decode(await this.bytes(name)));
    },
    // Delete what an earlier version of the page has stored.
    async tidy() {
      const wanted = new Set(Object.values(files).flatMap(({ parts }) => parts.map(({ path }) => new URL(path, base).href)));
      const store = await opened, ours = ({ url }) => new URL(".", url).href === base; // not those of a page below this one
      for (const request of (await store?.keys()) ?? []) if (ours(request) && !wanted.has(request.url)) await store.delete(request);
    },
  };
}
