// Threads in the browser's storage: they survive a reload and a lost server, and never leave the browser.

const KEPT = 24; // threads, the latest
const NAME = "threads";

let database = null;

function open() {
  return (database ??= new Promise((resolve) => {
    const opening = globalThis.indexedDB?.open("glimpse", 1);
    if (!opening) return resolve(null);
    opening.onupgradeneeded = () => opening.result.createObjectStore(NAME, { keyPath: "id" });
    opening.onsuccess = () => {
      opening.result.onclose = () => (database = null); // the storage was cleared: open it again
      resolve(opening.result);
    };
    opening.onerror = () => resolve(null); // in a private window: nothing is stored
  }).catch(() => null));
}

async function run(mode, action) {
  const opened = await open();
  if (!opened) return undefined;
  return new Promise((resolve) => {
    const request = action(opened.transaction(NAME, mode).objectStore(NAME));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(undefined); // the storage is full
  });
}

export const read = (id) => run("readonly", (store) => store.get(id));

// Store a thread without what has no answer yet; what another tab has stored of it meanwhile is added to `one`. The result
// is whether that is anything.
export async function write(one) {
  const stored = await read(one.id), added = stored?.at > (one.at ?? 0) && continueThread(one, stored);
  one.at = Date.now();
  const { id, file, name, questions, caption, at } = one;
  await run("readwrite", (store) => store.put({ id, file, name, questions, caption, turns: one.turns.filter(({ result }) => result), at }));
  const all = (await run("readonly", (store) => store.getAll())) ?? [];
  for (const old of all.sort((a, b) => b.at - a.at).slice(KEPT)) await run("readwrite", (store) => store.delete(old.id));
  return added;
}

// The photos of this visit, by their ids; with `ids` they are stored.
export function visit(ids = null) {
  try {
    if (ids) sessionStorage.setItem(NAME, JSON.stringify(ids));
    return JSON.parse(sessionStorage.getItem(NAME) ?? "[]");
  } catch { // storage is forbidden
    return [];
  }
}

// Add what was asked about the same photo before, except what was asked again; whether that is anything.
export function continueThread(one, earlier) {
  const turns = earlier?.turns.filter((old) => old.part || !one.turns.some(({ question }) => question === old.question)) ?? [];
  one.caption ??= earlier?.caption ?? null;
  one.turns.unshift(...turns);
  return turns.length > 0;
}
