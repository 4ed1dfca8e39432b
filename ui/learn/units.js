// Units of a network that follow something, the best first; a click on one picks it.
import { button, make } from "../static/dom.js";

export function start({ element, props, watch, trigger }) {
  const draw = () => {
    const { rows, feature, measure, questions, error } = props.value || {};
    if (!rows) return element.replaceChildren(...(error ? [make("p", { class: "failed", role: "alert" }, error)] : []));
    const head = ["unit", "value there", measure, `${measure} where it was chosen`].map((name) => make("th", { scope: "col" }, name));
    const body = rows.map(({ name, way, score, chosen, pick }) => {
      const choose = button(name, () => {
        element.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", other === choose));
        trigger("pick", pick);
      }, { class: "chip" });
      return make("tr", {}, make("th", { scope: "row" }, choose), ...[way, score, chosen].map((text) => make("td", {}, text)));
    });
    const note = make("p", { class: "note" }, `${feature}: the best of all units, over ${questions} questions. Choose one to see it.`);
    element.replaceChildren(note, make("table", { class: "units" },
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
  };
  watch("value", draw);
  draw();
}
