// The page without a server: draws the app's page, and stores it for a visit without a network.
import { start } from "../static/main.js";

const props = await (await fetch(new URL("page.json", document.baseURI))).json();
document.documentElement.classList.toggle("dark", matchMedia("(prefers-color-scheme: dark)").matches);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => document.documentElement.classList.toggle("dark", matches));
start({ element: document.querySelector(".glimpse"), props });
navigator.serviceWorker?.register(new URL("service-worker.js", document.baseURI)).catch(() => {}); // not over plain HTTP
