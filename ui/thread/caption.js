// The first card: a sentence about the photo, and where the model looked at each word.
import { button, make } from "../static/dom.js";
import { layer } from "../stage/heat.js";
import { percent } from "./sentences.js";

const PACE = 700; // milliseconds a word
const LATER = "The caption comes as soon as the photo is read.";

export function createCaption({ onShow, onAnother }) {
  const element = make("section", { class: "card caption", "aria-label": "Caption" });
  let timer = 0, at = 0, caption = null, words = [], play = null;
  const status = make("p", { class: "note", "aria-live": "polite" });

  function choose(i) {
    const { word, probability, attention } = caption.words[(at = i)];
    words.forEach((node, k) => node.setAttribute("aria-pressed", k === i));
    status.textContent = `'${word}', ${percent(probability)} after the words before it`;
    onShow(layer(`looked at '${word}'`, attention, 2 / attention.flat().length));
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    if (play) play.textContent = "Play";
    return true;
  }
  function start() {
    choose(at === words.length - 1 ? 0 : at);
    play.textContent = "Stop";
    timer = setInterval(() => (at === words.length - 1 ? stop() : choose(at + 1)), PACE);
  }
  function step(event) {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: words.length - 1 }[event.key];
    if (to === undefined || !words[to]) return;
    event.preventDefault();
    stop();
    choose(to);
    words[to].focus();
  }

  return {
    element, stop,
    // The caption, a sentence in its place, or null while it is being written.
    draw(next, sentence = LATER) {
      stop();
      [caption, at] = [next, 0];
      element.classList.toggle("pending", !next);
      if (!next) return element.replaceChildren(make("p", { class: "asked" }, "In a sentence"), make("p", { class: "note" }, sentence));
      words = next.words.map(({ word }, i) => button(word, () => stop() && choose(i), { class: "word", "aria-pressed": "false" }));
      play = button("Play", () => (timer ? stop() : start()));
      status.textContent = "";
      element.replaceChildren(make("p", { class: "asked" }, "In a sentence"),
        make("p", { class: "sentence", role: "group", "aria-label": `Caption, word by word: ${next.text}`, onkeydown: step }, ...words),
        status, make("div", { class: "actions" }, play, button("Another wording", onAnother)));
    },
    unmark: () => { stop(); words.forEach((node) => node.setAttribute("aria-pressed", "false")); },
  };
}
