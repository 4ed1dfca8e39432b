// The empty stage: drop, paste, choose or take a photo, or one of the examples with one click.
import { icon, make, button } from "../static/dom.js";
import { takePhoto } from "./camera.js";

export function createEmpty({ examples, alone, onFiles, onExample }) {
  const chooser = (attributes) => make("input", {
    type: "file", class: "hidden-input", ...attributes, onchange: ({ target }) => {
      if (target.files.length) onFiles([...target.files]);
      target.value = "";
    },
  });
  const labelled = (name, text, input, kind) => make("label", { class: `choose ${kind}` }, input, icon(name), text);
  const accept = "image/jpeg,image/png,image/webp,image/gif,image/bmp";
  const choose = labelled("picture", "Choose photos", chooser({ accept: `${accept},image/*`, id: "choose", multiple: true }), "first");
  // On a phone its own camera app, which starts with the rear camera; else a camera that the page may use.
  const phone = matchMedia("(pointer: coarse)").matches;
  let camera = null;
  if (phone) camera = labelled("camera", "Take a photo", chooser({ accept: "image/*", capture: "environment" }), "first");
  else if (navigator.mediaDevices?.getUserMedia) {
    camera = button(icon("camera"), async () => {
      const file = await takePhoto();
      if (file) onFiles([file]);
    }, { class: "choose", id: "camera" });
    camera.append("Take a photo");
  }
  const list = examples.map(({ name, photo }, i) => make("li", {},
    make("button", { type: "button", onclick: () => onExample(i) }, make("img", { src: photo, alt: "", width: 96, height: 72 }), name)));
  const element = make("div", { class: "empty" },
    make("h2", {}, "Ask a photo a question"),
    make("p", {}, "Get an answer, and see where the model looked."),
    make("div", { class: "sources" }, ...(phone ? [camera, choose] : [choose, camera])),
    make("p", { class: "hint" }, phone ? `It stays ${alone ? "on this device" : "between you and this server"}.` : "or drop them here, or paste with Ctrl+V"),
    make("p", { class: "or", id: "examples-title" }, "Or try one of these"),
    make("ul", { class: "examples", "aria-labelledby": "examples-title" }, ...list));

  const filesIn = (transfer) => [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/") || !file.type);
  const brings = ({ dataTransfer }) => dataTransfer.types.includes("Files"); // text goes where it is dropped
  addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  for (const name of ["dragleave", "drop"]) addEventListener(name, () => document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    const files = filesIn(event.dataTransfer);
    const found = files.length ? files : [...event.dataTransfer.files].slice(0, 1); // which is refused in a sentence
    if (found.length) onFiles(found);
  });
  addEventListener("paste", (event) => {
    const files = filesIn(event.clipboardData);
    if (files.length) onFiles(files);
  });
  return { element };
}
