// What the page draws without calling the server. All text from the server is set as text, never as HTML.
"use strict";

window.glimpse = (() => {
  // Nine steps of perceptually even maps (Smith & van der Walt 2015; cividis: Nuñez et al. 2018), safe for colour-blind eyes.
  const MAPS = {
    inferno: "000003 1f0c47 550f6d 882169 ba3655 e35832 f98c09 f8c931 fcfea4",
    viridis: "440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725",
    cividis: "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 fee838",
  };
  const SIZE = 224; // pixels of the heat, stretched over the photo

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  }

  const percent = (share) => (share > 0 && share < 0.01 ? "<1%" : `${Math.round(100 * share)}%`);

  function colour(name, value) {
    const steps = MAPS[name].split(" ");
    const at = Math.min(Math.max(value, 0), 1) * (steps.length - 1);
    const low = Math.min(Math.floor(at), steps.length - 2);
    return [0, 2, 4].map((k) => {
      const [a, b] = [steps[low], steps[low + 1]].map((step) => parseInt(step.slice(k, k + 2), 16));
      return a + (at - low) * (b - a);
    });
  }

  // A map of weights, row by row, as heat on a canvas; `top` is the weight of the hottest colour.
  function drawHeat(canvas, weights, height, width, top, name) {
    const small = make("canvas", { width, height });
    const cells = small.getContext("2d").createImageData(width, height);
    weights.forEach((weight, i) => cells.data.set([255 * Math.min(Math.max(weight / top, 0), 1), 0, 0, 255], 4 * i));
    small.getContext("2d").putImageData(cells, 0, 0);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    canvas.width = canvas.height = SIZE;
    context.imageSmoothingQuality = "high";
    // half a cell beyond each edge is cut off, so that a cell's colour sits at its centre
    context.drawImage(small, 0, 0, width, height, 0, 0, SIZE, SIZE);
    const pixels = context.getImageData(0, 0, SIZE, SIZE);
    const table = Array.from({ length: 256 }, (_, i) => [...colour(name, i / 255), 255 * (0.1 + 0.9 * Math.sqrt(i / 255))]);
    for (let i = 0; i < pixels.data.length; i += 4) pixels.data.set(table[pixels.data[i]], i);
    context.putImageData(pixels, 0, 0);
  }

  const ROWS = ["upper", "", "lower"], COLUMNS = ["left", "", "right"];
  function peakPlace(weights, height, width) {
    const top = Math.max(...weights);
    if (top <= (1.05 * weights.reduce((a, b) => a + b, 0)) / weights.length) return null; // even
    const at = weights.indexOf(top);
    const row = Math.floor((3 * (Math.floor(at / width) + 0.5)) / height);
    const column = Math.floor((3 * ((at % width) + 0.5)) / width);
    if (row === 1 && column === 1) return "centre";
    if (column === 1) return row === 0 ? "top" : "bottom";
    return `${ROWS[row]} ${COLUMNS[column]}`.trim();
  }

  // Every map that can be laid over the photo: the glimpses, their mean, and the evidence for one answer; or a caption's words.
  function layers(item) {
    const scaled = (layer, least) => ({ ...layer, top: Math.max(least, ...layer.weights) });
    if (!item.result) return item.layers.map((word) => scaled(word, 2 / word.weights.length));
    const { attention: { maps, height, width }, glimpse } = item.result;
    const even = 2 / (height * width); // so that an even map is not drawn hot everywhere
    const mean = maps[0].map((_, i) => maps.reduce((sum, map) => sum + map[i], 0) / maps.length);
    const top = Math.max(even, ...maps.flat());
    const name = (g) => `glimpse ${g + 1}${g === glimpse ? ", which carried the answer" : ""}`;
    const all = maps.map((weights, g) => ({ name: name(g), weights, height, width, top }));
    if (maps.length > 1) all.unshift({ name: "mean of the glimpses", weights: mean, height, width, top: Math.max(even, ...mean) });
    else all[0].name = "attention";
    return all.concat((item.layers || []).map((extra) => scaled(extra, 1e-9)));
  }

  // The photo with heat over it, a slider for how strong it is, which map, and which colours.
  function overlay(item, small = false) {
    const all = layers(item);
    const heat = make("canvas", { class: "heat", role: "img", width: SIZE, height: SIZE });
    const photo = make("img", { src: item.photo, alt: "the photo that was asked about" });
    const place = make("figcaption", { class: "note" });
    const which = make("select", { "aria-label": "which map", onchange: draw });
    all.forEach((layer, i) => which.append(make("option", { value: i }, layer.name)));
    const colours = make("select", { "aria-label": "colours", onchange: draw });
    Object.keys(MAPS).forEach((name) => colours.append(make("option", { value: name }, name)));
    const strength = make("input", {
      type: "range", min: 0, max: 100, value: 65, class: "strength", "aria-label": "how strong the heat is",
      oninput: () => (heat.style.opacity = strength.value / 100),
    });
    if (item.result && item.layers && item.layers.length) which.value = all.length - 1;
    function draw() {
      const layer = all[which.value];
      drawHeat(heat, layer.weights, layer.height, layer.width, layer.top, colours.value);
      heat.style.opacity = strength.value / 100;
      const where = peakPlace(layer.weights, layer.height, layer.width);
      place.textContent = `${layer.name}: ${where ? `strongest at the ${where}` : "the same everywhere"}`;
      heat.setAttribute("aria-label", place.textContent);
    }
    draw();
    const controls = make("div", { class: "controls" }, which, colours, make("label", {}, "heat ", strength));
    const figure = make("figure", { class: "overlay" }, make("div", { class: "stack" }, photo, heat), small ? null : controls, place);
    figure.choose = (layer) => { which.value = layer; draw(); };
    return figure;
  }

  function words(result) {
    const top = Math.max(...result.words.map((word) => word.weight));
    const row = make("p", { class: "words" });
    for (const { word, weight } of result.words) {
      const span = make("span", { title: `${percent(weight)} of the question's weight` }, word, make("small", {}, ` ${percent(weight)}`));
      span.style.setProperty("--weight", (weight / top).toFixed(2));
      if (result.unknown_words.includes(word)) span.classList.add("unknown");
      row.append(span);
    }
    return row;
  }

  function bars(result, pick, picked) {
    const list = make("ol", { class: "bars" });
    for (const { answer, score } of result.top) {
      const fill = make("i", {});
      fill.style.width = `${100 * score}%`;
      const label = [make("span", {}, answer), make("b", {}, percent(score)), fill];
      const tip = `show which places speak for '${answer}'`;
      const pressed = answer === picked ? "true" : "false";
      list.append(make("li", {}, pick ? make("button", { type: "button", title: tip, "aria-pressed": pressed, onclick: () => pick(answer) }, ...label)
        : make("div", {}, ...label)));
    }
    return list;
  }

  function headline({ result: { answer, confidence, sure, guess } }) {
    const text = sure ? answer : `not sure, perhaps ${answer}`;
    const how = ` ${percent(confidence)} sure${guess ? "; a guess: the photo hardly mattered" : ""}`;
    return make("p", { class: "headline" }, text, make("span", { class: "confidence" }, how));
  }

  function blind(result) {
    if (!result.blind) return null;
    const { answer, score } = result.blind;
    const gain = result.confidence - score;
    const effect = answer !== result.answer ? "another answer"
      : gain > 0.2 ? "the same answer, less sure" : gain < -0.2 ? "the same answer, surer"
        : "the same answer, about as sure";
    return make("p", { class: "blind" }, make("b", {}, "Without looking: "), `${answer}, ${percent(score)} (${effect}).`);
  }

  function seconds({ photo, question }) {
    return make("p", { class: "note" }, `Computed in ${Math.round(1000 * question)} ms; the photo was encoded once, in ${Math.round(1000 * photo)} ms.`);
  }

  const failed = (text) => make("p", { class: "failed", role: "alert" }, text);

  // An answer with all its reasons; `pick(answer)` asks for the places that speak for that answer.
  function answer(item, pick) {
    if (item.error) return failed(item.error);
    const unknown = item.result.unknown_words;
    const picked = (item.layers || []).map((layer) => layer.answer)[0];
    return make("article", { class: "answer" },
      item.title ? make("h3", {}, item.title) : null,
      make("p", { class: "question" }, item.question),
      headline(item), blind(item.result),
      unknown.length ? make("p", { class: "note" }, `Words that the model does not know: ${unknown.join(", ")}.`) : null,
      overlay(item),
      bars(item.result, pick, picked),
      pick ? make("p", { class: "note" }, "Choose an answer to see which places speak for it.") : null,
      ...(item.result.words.length ? [make("p", { class: "note" }, "How much each word of the question counted:"), words(item.result)] : []),
      item.result.note ? make("p", { class: "note" }, item.result.note) : null,
      seconds(item.result.seconds));
  }

  function viewer({ element, props, watch, trigger }) {
    const draw = () => {
      const item = props.value;
      const root = element.querySelector(".glimpse");
      if (!root) return;
      root.replaceChildren();
      if (!item) return;
      for (const one of Array.isArray(item) ? item : [item])
        root.append(answer(one, props.pickable && !one.error ? (text) => trigger("pick", { answer: text, question: one.question }) : null));
    };
    watch("value", () => {
      draw();
      // on a phone the answer is below the photo and the examples
      if (props.value && innerWidth < 700) element.scrollIntoView({ behavior: "smooth", block: "start" });
    });
    draw();
  }

  function conversation({ element, props, watch }) {
    const draw = () => {
      const root = element.querySelector(".glimpse");
      if (!root) return;
      const { turns = [], error = "" } = props.value || {};
      root.replaceChildren(...turns.map((item) => make("div", { class: "turn" },
        make("p", { class: "asked" }, item.question),
        make("details", { class: "said" },
          make("summary", {}, headline(item), item.result.blind ? make("span", { class: "note" }, `without looking: ${item.result.blind.answer}`) : null),
          overlay(item), bars(item.result), item.result.words.length ? words(item.result) : null))));
      root.querySelectorAll("details").forEach((details, i, all) => (details.open = i === all.length - 1));
      if (error) root.append(failed(error));
      root.lastElementChild?.scrollIntoView({ block: "nearest" });
    };
    watch("value", draw);
    draw();
  }

  // Buttons with questions, after the text `before`; the event `pick` carries the chosen one.
  function chips({ element, props, watch, trigger }) {
    const draw = () => {
      const root = element.querySelector(".glimpse");
      if (!root) return;
      const buttons = (props.value || []).map((text) =>
        make("button", { type: "button", class: "chip", onclick: () => trigger("pick", { question: text }) }, text));
      root.replaceChildren(...(props.before && buttons.length ? [make("span", {}, props.before), ...buttons] : buttons));
    };
    watch("value", draw);
    draw();
  }

  // Units of a network that follow something, the best first; a click on one picks it.
  function units({ element, props, watch, trigger }) {
    const draw = () => {
      const root = element.querySelector(".glimpse");
      const { rows, feature, measure, questions, error } = props.value || {};
      if (!root) return;
      if (!rows) return root.replaceChildren(...(error ? [failed(error)] : []));
      const head = ["unit", "value there", measure, `${measure} where it was chosen`].map((name) => make("th", { scope: "col" }, name));
      const body = rows.map(({ name, way, score, chosen, pick }) => {
        const button = make("button", { type: "button", class: "chip", onclick: () => {
          root.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", other === button));
          trigger("pick", pick);
        } }, name);
        return make("tr", {}, make("th", { scope: "row" }, button), ...[way, score, chosen].map((text) => make("td", {}, text)));
      });
      const note = make("p", { class: "note" }, `${feature}: the best of all units, over ${questions} questions. Choose one to see it.`);
      root.replaceChildren(note, make("table", { class: "units" },
        make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
    };
    watch("value", draw);
    draw();
  }

  // Save a file that came as a `data:` address.
  const save = ({ name, url }) => make("a", { href: url, download: name }).click();

  return { save, make, percent, answer, overlay, failed, viewer, conversation, chips, units };
})();
