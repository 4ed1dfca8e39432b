// A caption, word by word, with the heat of each over the photo.
"use strict";

window.glimpse.describer = ({ element, props, watch }) => {
  const { make, percent, overlay, failed } = window.glimpse;
  const PACE = 700; // milliseconds a word
  let timer = 0;

  function draw() {
    clearInterval(timer);
    timer = 0;
    const root = element.querySelector(".glimpse");
    if (!root) return;
    root.replaceChildren();
    const item = props.value;
    if (!item) return;
    if (item.error) return root.append(failed(item.error));
    const picture = overlay(item);
    const status = make("p", { class: "note", "aria-live": "polite" });
    const words = item.layers.map(({ answer, probability }, i) => make("button", {
      type: "button", class: "chip", title: `${percent(probability)} after the words before it`, onclick: () => { stop(); choose(i); },
    }, answer));
    const play = make("button", { type: "button", class: "chip play", onclick: () => (timer ? stop() : start()) }, "▶ Play");
    let at = 0;

    function choose(i) {
      at = i;
      words.forEach((word, k) => word.setAttribute("aria-pressed", String(k === i)));
      picture.choose(i);
      status.textContent = `Word ${i + 1} of ${words.length}: '${item.layers[i].answer}', ${percent(item.layers[i].probability)}`;
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
    const { photo, caption } = item.seconds;
    root.append(
      make("p", { class: "headline" }, item.text),
      make("div", { class: "sentence", role: "group", "aria-label": "the caption's words", onkeydown: step }, ...words, play),
      status, picture,
      make("p", { class: "note" }, `Computed in ${Math.round(1000 * caption)} ms; the photo was encoded once, in ${Math.round(1000 * photo)} ms.`));
    choose(0);
  }
  watch("value", draw);
  draw();
};
