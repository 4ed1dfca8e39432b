// The smallest tools of all parts of the page. Text is always set as text, never as HTML.

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const button = (text, onclick, attributes = {}) => make("button", { type: "button", onclick, ...attributes }, text);

const ICONS = {
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  brush: "M20 4 10 14M7 13c-2 0-3 2-3 4 0 1-1 2-2 2 1 1 3 2 5 2 3 0 4-2 4-4 0-2-2-4-4-4z",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  camera: "M4 8h4l2-3h4l2 3h4v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z",
  picture: "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 6M15 9h.01",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) svg.setAttribute(key, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// Save a file: a blob, or a `data:` address.
export function save(name, content) {
  const url = typeof content === "string" ? content : URL.createObjectURL(content);
  make("a", { href: url, download: name }).click();
  if (url !== content) setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
