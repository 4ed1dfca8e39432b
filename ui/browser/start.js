// The page without a server: draws the app's page, and stores it for a visit without a network.
import { start } from "../static/main.js";

const place = document.querySelector(".glimpse");
const props = await fetch(new URL("page.json", document.baseURI)).then((response) => response.json()).catch((error) => {
  place.textContent = "The page cannot be loaded, as the connection is lost or a file is missing; reload it later.";
  throw error;
});
document.documentElement.classList.toggle("dark", matchMedia("(prefers-color-scheme: dark)").matches);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => document.documentElement.classList.toggle("dark", matches));
const shared = new URLSearchParams(location.search).has("shared");
if (shared) history.replaceState(null, "", location.pathname);
place.replaceChildren();
start({ element: place, props });
(async () => navigator.serviceWorker?.register(new URL("service-worker.js", document.baseURI)))().catch(() => {}); // not over plain HTTP, or forbidden

if (shared) { // a photo from the share sheet comes as if it were pasted
  const store = await caches.open("glimpse-shared"), photo = await (await store.match("photo"))?.blob(), clipboardData = new DataTransfer();
  await caches.delete("glimpse-shared");
  if (photo) clipboardData.items.add(new File([photo], "shared", { type: photo.type }));
  dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
}
