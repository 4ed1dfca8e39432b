// The thread: the caption, then a card for each question; what can be done with all of them; what is announced.
import { button, make, save } from "../static/dom.js";
import { createCaption } from "./caption.js";
import { createCard } from "./card.js";
import { confidence, headline } from "./sentences.js";

export function createThread({ models, anyModel, alone, cards: actions, onCaptionLayer, onAnother, onPicture, onClear }) {
  const live = make("p", { class: "unseen", "aria-live": "polite", id: "live" });
  const caption = createCaption({ onShow: onCaptionLayer, onAnother });
  const list = make("div", { class: "cards" });
  const introduction = make("p", { class: "introduction" }, "Answers appear here, each with how sure it is and why. ",
    `The heat on the photo is where the model looked. Everything is computed ${alone ? "in this browser; your photo never leaves it" : "by this server; nothing goes anywhere else"}.`);
  const second = anyModel
    ? make("input", { list: "models", value: models[1] ?? "", "aria-label": "the other model: a name, a folder or a Hub id" })
    : make("select", { "aria-label": "the other model" }, ...models.slice(1).map((name) => make("option", {}, name)));
  const comparing = make("input", { type: "checkbox", id: "compare" });
  const compare = models.length > 1 && make("span", { class: "compare" }, make("label", {}, comparing, "Compare with"), second,
    anyModel && make("datalist", { id: "models" }, ...models.slice(1).map((name) => make("option", { value: name }))));
  const head = make("div", { class: "head", hidden: true }, make("h2", {}, "Questions and answers"), compare,
    make("span", { class: "downloads", hidden: true }, button("JSON", () => save("glimpse.json", asJson()), { title: "Download all answers as JSON" }),
      button("Picture", onPicture, { title: "Download a picture with all answers" }), button("Clear", onClear, { title: "Remove all questions" })));
  const element = make("section", { class: "thread", "aria-label": "Questions and answers" }, head, introduction, caption.element, list, live);
  let shown = new Map();
  caption.element.hidden = true;

  const asJson = () => new Blob(
    [JSON.stringify([...shown.keys()].filter(({ result }) => result).map(({ question, result, part, hidden, second }) => ({ question, ...result, part: part ?? undefined, hidden, second })), null, 1)], { type: "application/json" });
  const reveal = (turn) => (element.scrollTop = shown.get(turn)?.element.offsetTop - 12); // its question at the top

  return {
    element, caption,
    comparedWith: () => (comparing.checked ? second.value.trim() : null),
    // Show these turns; null for a page without a photo.
    draw(turns) {
      head.hidden = caption.element.hidden = !turns;
      introduction.hidden = Boolean(turns);
      shown = new Map();
      list.replaceChildren();
      turns?.forEach((turn) => this.add(turn));
      this.changed();
    },
    add(turn) {
      const card = createCard(turn, actions);
      shown.set(turn, card);
      list.append(card.element);
      this.changed();
      reveal(turn);
    },
    changed: () => (head.querySelector(".downloads").hidden = !shown.size),
    update(turn) {
      const last = [...shown.keys()].at(-1) === turn;
      shown.get(turn)?.draw();
      if (last) reveal(turn);
      this.announce(turn.error ?? `${turn.question} ${headline(turn.result)}. ${confidence(turn.result)}`);
    },
    wait(turn, waiting) {
      Object.assign(turn, { waiting });
      shown.get(turn)?.draw();
    },
    announce: (text) => (live.textContent = text),
    select(turn) {
      shown.forEach((card, one) => card.selected(one === turn));
      if (turn) caption.unmark();
    },
    reveal: (turn) => shown.get(turn)?.element.scrollIntoView({ block: "nearest" }),
  };
}
