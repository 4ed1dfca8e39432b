// Serves the page from the browser's storage, so that it opens without a network. The model's parts have a storage of
// their own (loader.js). The first line of the exported file names the page's files and their version.
/* global VERSION, FILES */

const NAME = `glimpse-page-${VERSION}`;
const ISOLATED = { // lets the model use several threads
  "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "same-origin",
};

addEventListener("install", (event) => event.waitUntil((async () => {
  await (await caches.open(NAME)).addAll(FILES.map((path) => new Request(path, { cache: "no-cache" })));
  await skipWaiting();
})()));

addEventListener("activate", (event) => event.waitUntil((async () => {
  const scope = registration.scope;
  for (const name of await caches.keys()) {
    if (!name.startsWith("glimpse-page-") || name === NAME) continue;
    const [first] = await (await caches.open(name)).keys(); // another page of this host may be another Glimpse
    if (!first || first.url.startsWith(scope)) await caches.delete(name);
  }
  await clients.claim();
})()));

addEventListener("fetch", (event) => {
  const { method, url, mode } = event.request;
  if (method === "POST" && url === `${registration.scope}share`) return event.respondWith(share(event.request));
  if (method !== "GET" || !url.startsWith(registration.scope)) return;
  const path = url.slice(registration.scope.length).split(/[?#]/)[0] || "index.html";
  if (mode === "navigate" || FILES.includes(path)) event.respondWith(page(FILES.includes(path) ? path : "index.html", event.request));
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
