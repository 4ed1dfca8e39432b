// The question box: fixed at the bottom, emptied after each question, with at most three suggestions in one row.
import { button, make } from "../static/dom.js";
import { fresh, unfinished } from "./sentences.js";

export const MAX_CHARACTERS = 300;
const PART = ["what is this?", "what color is it?", "how many are there?"];

export function createBox({ onAsk, onUnmark, complete }) {
  const input = make("input", {
    id: "question", type: "text", name: "question", maxlength: MAX_CHARACTERS, autocomplete: "off", enterkeyhint: "send",
    "aria-label": "Question about the photo", placeholder: "Ask anything about the photo", oninput: typed,
  });
  const row = make("div", { class: "suggestions", role: "group", "aria-label": "Suggested questions" });
  const part = make("span", { class: "marked", hidden: true }, "about the marked part", button("×", () => onUnmark(), { "aria-label": "ask about the whole photo" }));
  const element = make("form", { class: "ask", onsubmit: (event) => { event.preventDefault(); onAsk(input.value); } },
    row, make("div", { class: "line" }, part, input, make("button", { class: "primary", type: "submit" }, "Ask")));
  let questions = [], asked = [], busy = false, meant = "";

  function draw(list, before = "") {
    const chips = list.slice(0, 3).map((text) => button(text, (event) => event.detail < 2 && onAsk(text), { class: "chip" }));
    row.replaceChildren(...(before && chips.length ? [make("span", {}, before)] : []), ...chips);
    while (row.scrollWidth > row.clientWidth && row.children.length > 1) row.lastChild.remove(); // one row, whole questions
  }

  function idle() {
    if (meant) draw([meant], "Did you mean");
    else draw(part.hidden ? fresh(questions, asked) : PART);
  }

  // One request at a time, of the newest text; a reply to an older text is dropped.
  async function typed() {
    const text = input.value;
    if (!text.trim()) return idle();
    if (!unfinished(text)) return draw([]);
    if (busy) return;
    busy = true;
    const found = await complete(text).catch(() => []);
    busy = false;
    if (input.value === text) draw(found);
    else if (input.value) typed();
  }

  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, dialog")) return;
    event.preventDefault();
    input.focus();
  });

  return {
    element, input,
    // Questions to suggest while nothing is typed, without those that were asked.
    suggest(list, before) {
      [questions, asked, meant] = [list, before, ""];
      if (!input.value) idle();
    },
    meant(text) {
      meant = text;
      if (!input.value) idle();
    },
    clear() {
      input.value = "";
      idle();
    },
    marked(on) {
      part.hidden = !on;
      if (!input.value) idle();
      if (on) input.focus({ preventScroll: true });
    },
  };
}
