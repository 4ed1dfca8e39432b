// What the server is still loading, as a line with its progress.
import { call } from "../api/server.js";
import { make } from "./dom.js";

const PAUSE = 700; // milliseconds

export function loadingLine() {
  const line = make("p", { class: "loading", role: "status" });
  (async () => {
    for (let status; status?.loading !== ""; ) {
      status = await call("status").catch(() => ({ loading: "" }));
      line.replaceChildren(...(status.loading ? [make("progress", { max: status.of, value: status.done, "aria-label": "loading" }), `Loading ${status.loading} …`] : []));
      if (status.loading) await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  })();
  return line;
}
