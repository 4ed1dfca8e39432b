// A caption, word by word, with the heat of each over the photo.
"use strict";

window.glimpse.describer = ({ element, props, watch }) => {
  const { make, percent, overlay, failed } = window.glimpse;
  const PACE = 700; // milliseconds a word
  let timer = 0;

  function draw() {
    clearInterval(timer);
    const root = element.querySelector(".glimpse");
    if (!root) return;
    root.replaceChildren();
    const shown = props.value;
    if (!shown) return;
    if (shown.error) return root.append(failed(shown.error));
    const picture = overlay(shown);
    const told = make("p", { class: "note", "aria-live": "polite" });
    const words = shown.layers.map(({ answer, probability }, i) => make("button", {
      type: "button", class: "chip", title: `${percent(probability)} after the words before it`, onclick: () => { stop(); choose(i); },
    }, answer));
    const play = make("button", { type: "button", class: "chip play", onclick: () => (timer ? stop() : start()) }, "▶ Play");
    let at = 0;

    function choose(i) {
      at = i;
      words.forEach((word, k) => word.setAttribute("aria-pressed", String(k === i)));
      picture.choose(i);
      told.textContent = `Word ${i + 1} of ${words.length}: '${shown.layers[i].answer}', ${percent(shown.layers[i].probability)}`;
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "▶ Play";
    }
    function start() {
      choose(at === words.length - 1 ? 0 : at);
      play.textContent = "■ Stop";
      timer = setInterval(() => (at === words.length - 1 ? stop() : choose(at + 1)), PACE);
    }
    const step = (event) => {
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: words.length - 1 }[event.key];
      if (to === undefined || !words[to]) return;
      event.preventDefault();
      stop();
      choose(to);
      words[to].focus();
    };
    const { photo, caption } = shown.seconds;
    root.append(
      make("p", { class: "headline" }, shown.text),
      make("div", { class: "sentence", role: "group", "aria-label": "the caption's words", onkeydown: step }, ...words, play),
      told, picture,
      make("p", { class: "note" }, `${Math.round(1000 * caption)} ms for the caption, ${Math.round(1000 * photo)} ms once for the photo.`));
    choose(0);
  }
  watch("value", draw);
  draw();
};
