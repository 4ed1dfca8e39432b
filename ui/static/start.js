// Draws the page, in the colours that its reader prefers.
import { start } from "./main.js";

const place = document.querySelector(".glimpse");
// Not compared by its date, as in ui/browser/worker.js.
const props = await fetch(new URL("page.json", document.baseURI), { cache: "reload" }).then((response) => response.ok ? response.json() : Promise.reject(response.status)).catch((error) => {
  place.textContent = "The page cannot be loaded, as the connection is lost or a file is missing; reload it later.";
  throw error;
});
const asked = new URLSearchParams(location.search).get("__theme"), dark = matchMedia("(prefers-color-scheme: dark)");
const colour = () => document.documentElement.classList.toggle("dark", asked ? asked === "dark" : dark.matches);
colour();
dark.addEventListener("change", colour);
place.replaceChildren();
start({ element: place, props });
