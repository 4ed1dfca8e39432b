// Calls of the functions of the app, see ui/api/calls.py.

const SITE = globalThis.document?.baseURI ?? "http://localhost/";
const CALLS = new URL("glimpse/", SITE);
const PAUSE = 1000; // milliseconds between two looks for a lost server

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
        if ((await fetch(new URL("page.json", SITE), { cache: "no-store" })).status < 500) break; // 401: log in again
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

const TOO_LARGE = "The file is too large; choose one of at most 64 MB.", LARGEST = 64 << 20;
const BROKEN = "Something went wrong in the app; the terminal that serves it says what.";

// The result in a response. A refusal is a sentence, the server's own if it is not a proxy's; a server that is lost has none.
export async function resultOf(response) {
  if (response.status === 401) globalThis.location?.reload(); // the session has ended: log in again
  const refused = response.status >= 400 && response.status < 500;
  const { result, error } = await response.json().catch((unreadable) => {
    if (!refused) throw unreadable;
    return { error: response.status === 413 ? TOO_LARGE : BROKEN };
  });
  if (error) throw new Refused(error);
  return result;
}

const post = (path, body, type = "application/json") => insist(async () =>
  resultOf(await fetch(new URL(path, CALLS), { method: "POST", headers: { "Content-Type": type }, body })));

export const call = (name, ...data) => post(`call/${name}`, JSON.stringify({ data }));

// Upload a file; the result is the hash of its content.
export async function upload(file) {
  if (file.size > LARGEST) throw new Refused(TOO_LARGE);
  return { id: await post("upload", file, "application/octet-stream") };
}

// Call a function about a photo `{ file, id }`; uploads are deleted after an hour and then sent again.
export async function about(photo, name, ...data) {
  for (let again = false; ; again = true) {
    try {
      return await post(`call/${name}`, JSON.stringify({ photo: photo.sent ?? photo.id, data }));
    } catch (error) {
      if (again || !error.message.includes("was not uploaded")) throw error;
      photo.sent = (await upload(photo.file)).id; // another one than its `id` if the server was started again
    }
  }
}

const blob = (address) => insist(async () => {
  const response = await fetch(address);
  if (!response.ok) await resultOf(response);
  return response.blob();
});

// A photo that somebody uploaded to this server, by the hash in a shared link.
export const shared = async (id) => ({ name: "photo", file: await blob(new URL(`photos/${id}`, CALLS)) });

export const example = (photo) => blob(new URL(photo, SITE));
