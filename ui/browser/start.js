// The page without a server: the app's page, stored for a visit without a network.
const shared = new URLSearchParams(location.search).has("shared");
if (shared) history.replaceState(null, "", location.pathname);
await import("../static/start.js");
(async () => navigator.serviceWorker?.register(new URL("service-worker.js", document.baseURI)))().catch(() => {}); // not over plain HTTP, or forbidden

if (shared) { // a photo from the share sheet comes as if it were pasted
  const store = await caches.open("glimpse-shared"), photo = await (await store.match("photo"))?.blob(), clipboardData = new DataTransfer();
  await caches.delete("glimpse-shared");
  if (photo) clipboardData.items.add(new File([photo], "shared", { type: photo.type }));
  dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
}
