// Several files at once: the first photo that can be read is opened; the others wait in the row.
import { MOST } from "./tray.js";

// `choose(one)` opens a photo, or returns the sentence with which it was refused; `look(one)` only sends it.
export async function openSeveral(files, { begin, choose, look, tray, say }) {
  const waiting = files.slice(0, MOST).map((file) => begin(file));
  const messages = files.length > MOST ? [`The first ${MOST} photos were taken; choose the others later.`] : [];
  const refused = (one, sentence) => messages.push(files.length > 1 ? `${one.name}: ${sentence}` : sentence);
  for (let wrong = true; wrong && waiting.length;) {
    const one = waiting.shift();
    if ((wrong = await choose(one))) refused(one, wrong);
  }
  waiting.forEach((one) => tray.add(one));
  for (const one of waiting) {
    await look(one).catch((error) => {
      tray.remove(one);
      refused(one, error.message);
    });
  }
  if (messages.length) say(messages.join(" "));
}
