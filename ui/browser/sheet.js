// A picture to keep: the photo with where the model looked, once for each question.
import { Refused } from "./refused.js";
import { drawHeat, looks } from "../stage/heat.js";
import { make } from "../static/dom.js";
import { headline, percent } from "../thread/sentences.js";

const WIDTH = 640, LINE = 30, MARGIN = 14;

export async function drawSheet(file, answers) {
  if (!answers.length) throw new Refused("There is no answer yet; ask a question first.");
  const bitmap = await createImageBitmap(file), height = Math.round((WIDTH * bitmap.height) / bitmap.width), card = height + 2 * LINE + 2 * MARGIN;
  const canvas = (width, height) => make("canvas", { width, height }), sheet = canvas(WIDTH, card * answers.length), context = sheet.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, sheet.width, sheet.height);
  answers.forEach(([question, result], i) => {
    const top = i * card, heat = canvas(1, 1);
    context.filter = "grayscale(.75) brightness(.62)";
    context.drawImage(bitmap, 0, top, WIDTH, height);
    context.filter = "none";
    drawHeat(heat, looks(result)[0]);
    context.drawImage(heat, 0, top, WIDTH, height);
    context.fillStyle = "#1c1a22";
    context.font = "20px system-ui, sans-serif";
    context.fillText(question, MARGIN, top + height + LINE, WIDTH - 2 * MARGIN);
    context.font = "bold 24px system-ui, sans-serif";
    context.fillText(`${headline(result)} (${percent(result.confidence)})`, MARGIN, top + height + 2 * LINE, WIDTH - 2 * MARGIN);
  });
  bitmap.close();
  return sheet.toDataURL();
}
