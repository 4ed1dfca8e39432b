// A card of the thread: a question, its answer in large type, how sure it is, and why.
import { button, make } from "../static/dom.js";
import { layer, looks } from "../stage/heat.js";
import { share } from "../stage/marking.js";
import { afterCovering, confidence, covered, headline, milliseconds, occlusion, percent, points, withoutPhoto } from "./sentences.js";

// Functions `(turn) => node or null` whose node stands under each answer: the place for further parts of a card.
export const footers = [];

let cards = 0;

function bar(result) {
  const fill = make("i", {});
  fill.style.width = `${100 * result.confidence}%`;
  return make("div", { class: "confidence" }, make("div", { class: "bar", "aria-hidden": "true" }, fill), make("p", {}, confidence(result)));
}

function words(result) {
  const top = Math.max(...result.words.map(({ weight }) => weight));
  return make("p", { class: "words" }, ...result.words.map(({ word, weight }) => {
    const span = make("span", { class: result.unknown_words.includes(word) ? "unknown" : null }, word, make("small", {}, ` ${percent(weight)}`));
    span.style.setProperty("--weight", (weight / top).toFixed(2));
    return span;
  }));
}

function changes(rows) {
  const cells = (tag, values) => make("tr", {}, ...values.map((value) => make(tag, tag === "th" ? { scope: "col" } : {}, value)));
  return make("table", {}, make("thead", {}, cells("th", ["answer", "before", "after", "change"])), make("tbody", {}, ...rows.slice(0, 5).map(
    ({ answer, before, after, change }) => cells("td", [answer, percent(before), percent(after), points(change)]))));
}

// `onShow(turn, layer)` puts a layer on the stage; `explain(turn, answer)` and `cover(turn)` resolve to layers.
export function createCard(turn, { onSelect, onShow, onRemove, explain, cover, link }) {
  const id = `answer-${(cards += 1)}`;
  const element = make("article", { class: "card", "aria-labelledby": id, onclick: (event) => event.target.closest("button, summary, a") || onSelect(turn) });

  // A button that shows a layer, which may have to be computed first; it keeps the focus.
  function shows(text, find, attributes = {}) {
    const node = button(text, async () => {
      onSelect(turn);
      node.setAttribute("aria-busy", "true");
      const found = await find();
      node.removeAttribute("aria-busy");
      if (!found) return;
      element.querySelectorAll("[aria-pressed=true]").forEach((other) => other.setAttribute("aria-pressed", "false"));
      node.setAttribute("aria-pressed", "true");
      onShow(turn, found);
    }, { class: "chip", "aria-pressed": "false", ...attributes });
    return node;
  }

  function runnersUp({ top, answer }) {
    const chips = top.filter((one, i) => one.answer !== answer && (i < 2 || one.score >= 0.01)).slice(0, 4).map((one) =>
      shows(`${one.answer} ${percent(one.score)}`, () => explain(turn, one.answer), { title: `Show which places speak for '${one.answer}'` }));
    return chips.length ? make("div", { class: "chips", role: "group", "aria-label": "Runners-up" }, ...chips) : null;
  }

  function why(result) {
    const said = make("p", { class: "note", role: "status" });
    const covering = shows("Cover each place in turn", async () => {
      said.textContent = "Covering one place after another …";
      const [found, sentence] = await cover(turn);
      said.textContent = sentence;
      return found;
    });
    const all = looks(result).map((one) => shows(one.label === "looked" ? "all looks together" : one.label, () => one));
    return make("details", { class: "why" }, make("summary", {}, "Why?"),
      ...(result.words.length ? [make("p", { class: "note" }, "How much each word counted:"), words(result)] : []),
      all.length > 1 && make("p", { class: "note" }, "Where it looked:"),
      all.length > 1 && make("div", { class: "chips" }, ...all),
      result.blind && make("p", {}, withoutPhoto(result)),
      result.blind && make("div", { class: "chips" }, covering), said,
      result.note && make("p", { class: "note" }, result.note),
      make("p", { class: "note" }, milliseconds(result.seconds)));
  }

  const action = (text, run) => {
    const node = button(text, async () => {
      if (!(await run())) return;
      node.textContent = "Copied";
      setTimeout(() => (node.textContent = text), 2000);
    }, { "aria-label": `${text}: ${turn.question}` });
    return node;
  };
  const actions = () => make("div", { class: "actions" },
    turn.result && action("Copy", () => copy(`${turn.question} ${headline(turn.result)} (${percent(turn.result.confidence)})`)),
    turn.result && action("Link", () => copy(link(turn))),
    action("Remove", () => onRemove(turn)));

  // The second model's answer, or why it has none.
  const beside = (result) => (result.error ? [make("p", { class: "failed" }, result.error)]
    : [make("p", { class: "answer" }, shows(headline(result), () => looks(result)[0], { class: "" })), bar(result)]);

  function draw() {
    const { question, part, result, error, second, hidden } = turn;
    element.classList.toggle("pending", !result && !error);
    const asked = make("p", { class: "asked" }, question, part ? make("small", {}, " (about the marked part)") : null);
    if (error) return element.replaceChildren(asked, make("p", { class: "failed", role: "alert", id }, error), actions());
    if (!result) return element.replaceChildren(asked, make("h3", { class: "answer", id }, turn.waiting > 1 ? `Looking … (${turn.waiting} questions are waiting)` : "Looking …"));
    element.replaceChildren(asked,
      make("h3", { class: "answer", id }, button(headline(result), () => {
        element.querySelectorAll("[aria-pressed=true]").forEach((other) => other.setAttribute("aria-pressed", "false"));
        onSelect(turn);
      }, { title: "Show where it looked" })),
      bar(result), runnersUp(result) ?? "",
      result.unknown_words.length ? make("p", { class: "note" }, `The model does not know: ${result.unknown_words.join(", ")}.`) : "",
      second ? make("div", { class: "second" }, make("p", { class: "note" }, second.name), ...beside(second.result)) : "",
      hidden ? make("div", { class: "hidden-part" }, make("p", {}, `${covered(share(hidden.mask.flat()))} `, make("b", {}, afterCovering(result, hidden.after))),
        make("details", {}, make("summary", {}, "What changed"), changes(hidden.changes))) : "",
      why(result), ...footers.map((footer) => footer(turn)).filter(Boolean), actions());
  }
  draw();
  return { element, draw, selected: (on) => (on ? element.setAttribute("aria-current", "true") : element.removeAttribute("aria-current")) };
}

// A layer and a sentence for the answer of `/occlusion`.
export const occlusionLayer = ({ answer, map }) => [layer(`covering lowers '${answer}'`, map), occlusion(answer, Math.max(0, ...map.flat()))];

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a page without https, or a browser that forbids it
    const area = make("textarea", {}, text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  return true;
}
