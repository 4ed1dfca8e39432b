// Calls of the app's API: the functions that programs call, too.

const SITE = globalThis.document?.baseURI ?? "http://localhost/";
const API = new URL("gradio_api/", SITE);
const PAUSE = 1000; // milliseconds between two looks for a lost server
const sessions = []; // free ones: gradio stores something for each, so they are used again

export class Refused extends Error {} // the message is a sentence for the user

let lost = null; // resolved when the server is back
const listeners = [];
export const onConnection = (listener) => listeners.push(listener);

function untilBack() {
  lost ??= (async () => {
    listeners.forEach((listener) => listener(false));
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      try {
        if ((await fetch(new URL("manifest.json", SITE), { cache: "no-store" })).ok) break;
      } catch { /* not yet */ }
    }
    lost = null;
    listeners.forEach((listener) => listener(true));
  })();
  return lost;
}

// Try until the server answers: a question that was asked while it was lost is sent again.
async function insist(attempt) {
  for (;;) {
    try {
      if (lost) await lost;
      return await attempt();
    } catch (error) {
      if (error instanceof Refused) throw error;
      await untilBack();
    }
  }
}

const BROKEN = "Something went wrong in the app; the terminal that serves it says what.";

// The result in a stream of server-sent events; undefined if it was cut off, or if a new server knows nothing of it.
export function resultOf(stream) {
  for (const block of stream.split("\n\n")) {
    const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(block) ?? [];
    if (name === "complete") return JSON.parse(data)[0];
    const failure = name === "error" ? JSON.parse(data) : "";
    if (typeof failure !== "string") throw new Refused(failure?.error ?? BROKEN);
  }
}

async function checked(response) {
  if (response.status === 401) location.reload(); // the session has ended: log in again
  if (response.status === 503) throw new Refused("Too many questions are waiting on this server; ask again in a moment.");
  if (response.status === 413) throw new Refused("The file is too large; choose one of at most 64 MB.");
  if (!response.ok) throw new Error(response.statusText);
  return response;
}

export const call = (name, ...data) => insist(async () => {
  const session = sessions.pop() ?? Math.random().toString(36).slice(2);
  const url = new URL(`call/${name}`, API);
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ data, session_hash: session }) };
  const { event_id: event } = await (await checked(await fetch(url, options))).json();
  const stream = await (await checked(await fetch(`${url}/${event}`))).text();
  if (/^event: (complete|error)/m.test(stream)) sessions.push(session); // nothing of this call is left in it
  const result = resultOf(stream);
  if (result === undefined) throw new Error("The answer was cut off.");
  return result;
});

// Upload a file: its path on the server, and the hash of its content.
export const upload = (file, name) => insist(async () => {
  const body = new FormData();
  body.append("files", file, name);
  const [path] = await (await checked(await fetch(new URL("upload", API), { method: "POST", body }))).json();
  return { path, id: path.split(/[\\/]/).at(-2) };
});

// Call a function about a photo `{ file, name, path }`; uploads are deleted after an hour and then sent again.
export async function about(photo, name, ...data) {
  for (let again = false; ; again = true) {
    try {
      return await call(name, { path: photo.path, meta: { _type: "gradio.FileData" } }, ...data);
    } catch (error) {
      if (again || !error.message.includes("was not uploaded")) throw error;
      Object.assign(photo, { path: (await upload(photo.file, photo.name)).path });
    }
  }
}

// A photo that somebody uploaded to this server, by the hash in a shared link.
export async function shared(id) {
  const { upload: path } = await call("uploaded", id);
  const response = await checked(await fetch(new URL(`file=${path}`, API)));
  return { path, name: path.split(/[\\/]/).at(-1), file: await response.blob() };
}

export const example = (index) => insist(async () => (await checked(await fetch(new URL(`glimpse/examples/${index}`, SITE)))).blob());
