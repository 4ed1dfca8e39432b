// Serves the page from the browser's storage, so that it opens without a network. The model's parts have a storage of
// their own (loader.js). The first line of the exported file has the page's files with their hashes, and their version.
/* global VERSION, FILES */

const NAME = `glimpse-page-${VERSION}`;
const ISOLATED = { // lets the model use several threads
  "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "same-origin",
};

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// A host that is being uploaded to, or a network's login page, answers with other files: these are not stored. No
// file is compared by its date, as that of a login page may be newer. Hosts may add to the page itself.
async function whole(path) {
  const response = await fetch(path, { cache: "reload" });
  const found = hex(await crypto.subtle.digest("SHA-256", await response.clone().arrayBuffer()));
  if (!response.ok || (path !== "index.html" && found !== FILES[path])) throw new Error(`${path} is another file`);
  return response;
}

addEventListener("install", (event) => event.waitUntil((async () => {
  const store = await caches.open(NAME), paths = Object.keys(FILES);
  const responses = await Promise.all(paths.map(whole));
  await Promise.all(paths.map((path, i) => store.put(path, responses[i])));
  await skipWaiting();
})()));

addEventListener("activate", (event) => event.waitUntil((async () => {
  const scope = registration.scope;
  for (const name of await caches.keys()) {
    if (!name.startsWith("glimpse-page-") || name === NAME) continue;
    const store = await caches.open(name); // another page of this host may be another Glimpse
    if (!(await store.keys()).length || await store.match(`${scope}index.html`)) await caches.delete(name);
  }
  await clients.claim();
})()));

addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "POST" && url === `${registration.scope}share`) return event.respondWith(share(event.request));
  if (method !== "GET" || !url.startsWith(registration.scope)) return;
  const path = url.slice(registration.scope.length).split(/[?#]/)[0] || "index.html";
  if (Object.hasOwn(FILES, path)) event.respondWith(page(path, event.request));
});

async function page(path, request) {
  const stored = await (await caches.open(NAME)).match(new URL(path, registration.scope)) ?? await fetch(request);
  const headers = new Headers(stored.headers);
  for (const [name, value] of Object.entries(ISOLATED)) headers.set(name, value);
  return new Response(stored.body, { status: stored.status, headers });
}

// A photo from the share sheet of a phone: start.js takes it from here.
async function share(request) {
  const photo = (await request.formData()).get("photo");
  if (photo) await (await caches.open("glimpse-shared")).put("photo", new Response(photo));
  return Response.redirect(`${registration.scope}?shared`, 303);
}
