// The gallery. Everything that came from data is set as text, never as HTML.
"use strict";
(() => {
  const PAGE = 60, SIZE = 64; // cards at a time; pixels of the heat, stretched over the photo
  const find = (id) => document.getElementById(id);
  const { entries, reasons, heat, places } = JSON.parse(find("data").textContent);
  const photos = JSON.parse(find("photos").textContent); // name, then WebP in base64, width and height if there is one

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null));
    return node;
  }
  const percent = (share) => (share > 0 && share < 0.01 ? "<1%" : `${Math.round(100 * share)}%`);
  const count = (n) => n.toLocaleString("en");

  // 256 colours of the heat, stronger where there is more.
  const colours = Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (heat.length - 1), low = Math.min(Math.floor(at), heat.length - 2);
    return [...heat[low].map((v, k) => v + (at - low) * (heat[low + 1][k] - v)), 166 * Math.sqrt(i / 255)];
  });
  find("scale").querySelector("i").style.background =
    `linear-gradient(to right, ${heat.map((colour) => `rgb(${colour})`)})`;

  function place(cells, rows, columns) {
    const top = Math.max(...cells);
    if (top * cells.length <= 1.05 * cells.reduce((a, b) => a + b, 0)) return "everywhere";
    const at = cells.indexOf(top), third = (k, n) => Math.floor((3 * (k + 0.5)) / n);
    const [row, column] = [third(Math.floor(at / columns), rows), third(at % columns, columns)];
    return places[row][column];
  }

  function drawn(entry) {
    const [rows, columns] = entry.g, cells = Uint8Array.from(atob(entry.h), (c) => c.charCodeAt(0));
    const small = make("canvas", { width: columns, height: rows }), pen = small.getContext("2d");
    const grey = pen.createImageData(columns, rows);
    cells.forEach((value, i) => grey.data.set([value, 0, 0, 255], 4 * i));
    pen.putImageData(grey, 0, 0);
    const canvas = make("canvas", { width: SIZE, height: SIZE, role: "img", "aria-label": `attention: strongest ${place(cells, rows, columns)}` });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, SIZE, SIZE);
    const pixels = context.getImageData(0, 0, SIZE, SIZE);
    for (let i = 0; i < pixels.data.length; i += 4) pixels.data.set(colours[pixels.data[i]], i);
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  function picture(entry) {
    const [name, content, width, height] = photos[entry.p];
    if (!content) return make("div", { class: "frame" }, "no picture");
    const image = make("img", { src: `data:image/webp;base64,${content}`, alt: `photo ${name}`, decoding: "async", loading: "lazy" });
    const stack = make("div", { class: `stack ${3 * width >= 4 * height ? "flat" : "tall"}`, style: `aspect-ratio: ${width} / ${height}` }, image);
    const frame = make("div", { class: "frame" }, stack);
    if (entry.h) seen.observe(Object.assign(frame, { heat: () => stack.append(drawn(entry)) }));
    return frame;
  }
  // Heat is drawn when its card comes near the window.
  const seen = new IntersectionObserver((changes) => changes.forEach(({ isIntersecting, target }) => {
    if (!isIntersecting) return;
    seen.unobserve(target);
    target.heat();
  }), { rootMargin: "600px" });

  function card(entry) {
    const right = entry.x === 1;
    const known = make("dl", {});
    const tell = (name, value) => known.append(make("dt", {}, name), make("dd", {}, value));
    const all = entry.s.reduce((sum, [, n]) => sum + n, 0);
    tell("right answer", entry.r);
    if (all > 1) tell(`of ${all} people`, entry.s.map(([answer, n]) => `${n} ${answer}`).join(", "));
    if (entry.b !== null) tell("without looking", entry.b);
    if (entry.o !== null) tell("another photo", entry.o);
    const others = make("ul", { class: "others", "aria-label": "how sure of each answer" });
    for (const [answer, p] of entry.c === null ? [] : [[entry.a, entry.c], ...entry.t])
      others.append(make("li", { style: `--v: ${100 * p}%` }, make("span", {}, answer), make("span", {}, percent(p))));
    const text = make("div", { class: "about" },
      make("h3", {}, entry.q || "(no question)"),
      make("p", { class: "answer" }, entry.u ? "not sure, perhaps " : "", make("b", {}, entry.a || "(nothing)"), make("span", { class: "mark" }, right ? "✓ right" : "✗ wrong")),
      others.childElementCount ? others : null, known,
      entry.g ? make("p", { class: "guess" }, "A guess: the photo hardly mattered.") : null,
      ...entry.w.map((reason) => make("p", { class: "why" }, reasons[reason])),
      make("p", { class: "kind" }, [...new Set(entry.k)].join(" · "), entry.f === null ? "" : ` · official accuracy ${percent(entry.f)}`));
    return make("li", { class: `card ${right ? "right" : "wrong"}`, tabindex: "-1" }, picture(entry), text);
  }

  const form = find("filters"), cards = find("cards"), more = find("more");
  const which = () => form.elements.which.value;
  const KINDS = { all: () => true, right: (e) => e.x === 1, wrong: (e) => e.x === 0, surprising: (e) => e.w.length > 0 };
  entries.forEach((entry) => (entry.text = [entry.q, entry.a, entry.r].join("\n").toLowerCase()));
  [["type", 0], ["source", 1]].forEach(([id, at]) => {
    const names = new Map();
    entries.forEach((entry) => names.set(entry.k[at], (names.get(entry.k[at]) || 0) + 1));
    const sorted = [...names].sort((a, b) => b[1] - a[1]);
    find(id).append(make("option", { value: "" }, "all"), ...sorted.map(([name, n]) => make("option", { value: `=${name}` }, `${name} (${count(n)})`)));
  });
  find("rules").lastElementChild.append(...reasons.map((reason) => make("li", {}, reason)));

  let chosen = [], there = 0;
  function show() {
    const words = find("find").value.toLowerCase().trim().split(/\s+/);
    const type = find("type").value.slice(1), source = find("source").value.slice(1), order = find("order").value;
    const fitting = entries.filter((e) => (!find("type").value || e.k[0] === type) && (!find("source").value || e.k[1] === source)
      && words.every((word) => e.text.includes(word)));
    for (const radio of form.elements.which)
      radio.nextElementSibling.textContent = `${radio.value} ${count(fitting.filter(KINDS[radio.value]).length)}`;
    chosen = fitting.filter(KINDS[which()]);
    if (order !== "data") chosen.sort((a, b) => (order === "surest" ? -1 : 1) * ((a.c ?? -1) - (b.c ?? -1)));
    cards.replaceChildren();
    there = 0;
    add();
  }
  function add() {
    const next = chosen.slice(there, there + PAGE).map(card);
    cards.append(...next);
    there += next.length;
    const right = chosen.filter(KINDS.right).length;
    find("count").textContent = chosen.length === 0 ? "No question fits; change the filters above."
      : `${count(there)} of ${count(chosen.length)} questions shown; of these ${count(chosen.length)}, ${count(right)} are right (${percent(right / chosen.length)}).`;
    more.hidden = there >= chosen.length;
    more.textContent = `${count(Math.min(PAGE, chosen.length - there))} more`;
    return next[0];
  }
  let waiting = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    if (event.target.id === "heat") document.body.classList.toggle("plain-photos", !event.target.checked);
    else waiting = setTimeout(show, event.target.id === "find" ? 150 : 0);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => add()?.focus({ preventScroll: true })); // a keyboard goes on where the new ones begin

  for (const table of document.querySelectorAll("table[data-fold]")) {
    const rest = [...table.tBodies[0].rows].slice(+table.dataset.fold);
    const button = make("button", { type: "button", class: "fold", "aria-expanded": "true" });
    const turn = () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", open);
      button.textContent = open ? "show fewer" : `show ${count(rest.length)} more`;
      rest.forEach((row) => (row.hidden = !open));
    };
    button.addEventListener("click", turn);
    table.parentElement.after(button);
    turn();
  }
  document.querySelector("nav").append(...[...document.querySelectorAll("main > section")]
    .map((part) => make("a", { href: `#${part.id}` }, part.querySelector("h2").textContent)));
  form.hidden = false;
  show();
})();
