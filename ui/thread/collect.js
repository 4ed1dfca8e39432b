// Under each answer: is it right, or what is? Only where the app was started with `--collect`.
import { button, make } from "../static/dom.js";
import { footers } from "./card.js";

// `send(turn, answer)` resolves to a sentence.
export function collecting(send) {
  footers.push((turn) => {
    const note = make("span", { class: "note", role: "status" });
    const input = make("input", { type: "text", placeholder: "wrong, it is …", "aria-label": `the right answer to: ${turn.question}`, maxlength: 100 });
    const add = async (answer) => {
      try {
        note.textContent = await send(turn, answer);
        input.value = "";
      } catch (error) {
        note.textContent = error.message;
      }
    };
    return make("form", { class: "collect", onsubmit: (event) => { event.preventDefault(); add(input.value); } },
      button("right", () => add(turn.result.answer), { "aria-label": `right: ${turn.question}` }), input, note);
  });
}
