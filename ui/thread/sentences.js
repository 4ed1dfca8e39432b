// Every sentence about a number, each a function of the number alone.

const NEAR = 0.05; // differences of probabilities that are not worth a word
const UNLIKELY = 0.15; // an answer below it is hardly one
const HIGH = 0.75; // what is stated as sure is right at least as often
const TOSS_UP = 60; // percent of yes or no, below it neither is an answer
const BOTH = 0.8; // what yes and no have together in a toss-up

const whole = (share) => Math.round(100 * share); // sentences about equal percentages are equal

export const percent = (share) => (share > 0 && share < 0.01 ? "<1%" : share < 1 && share > 0.99 ? ">99%" : `${whole(share)}%`);

export function tossUp({ answer, confidence, top }) {
  const other = top?.find((one) => one.answer === { yes: "no", no: "yes" }[answer]);
  return Boolean(other) && whole(confidence) < TOSS_UP && confidence + other.score >= BOTH;
}

// The answer in large type.
export function headline(result) {
  if (tossUp(result)) return "yes or no: a toss-up";
  return result.sure ? result.answer : `not sure, perhaps ${result.answer}`;
}

// What a calibrated probability means.
export function often(share) {
  const times = Math.round(whole(share) / 10);
  if (times === 10) return "right nearly every time";
  return times === 0 ? "right less than once in 10 times" : `right about ${times === 1 ? "once" : `${times} times`} in 10`;
}

// The confidence, and whether the photo had to do with it. An answer that is not stated as sure although it is probable
// is of a kind whose probabilities have proved too high.
export function confidence(result) {
  const share = tossUp(result) ? `${result.answer} ${percent(result.confidence)}` : percent(result.confidence);
  const meaning = result.sure || result.confidence < HIGH ? often(result.confidence) : "but answers of this kind are right less often";
  return `${share}${meaning.startsWith("but") ? "," : ":"} ${meaning}${result.guess ? "; a guess: the photo hardly mattered" : ""}`;
}

// How one answer `{ answer, score }` differs from another, earlier one.
export function difference(before, after) {
  const gain = after.score - before.score;
  if (after.answer !== before.answer)
    return Math.max(after.score, before.score) < UNLIKELY ? "another answer, but neither is likely" : "another answer";
  if (Math.abs(gain) <= NEAR) return "the same answer, about as sure";
  return gain > 0 ? "the same answer, surer" : "the same answer, less sure";
}

const best = ({ answer, confidence: score }) => ({ answer, score });

// What the answer would be without the photo; null for a model that cannot say.
export function withoutPhoto(result) {
  if (!result.blind) return null;
  const differs = result.guess ? "with or without it, the answers are about as likely" : difference(best(result), result.blind);
  return `Without the photo: ${result.blind.answer}, ${percent(result.blind.score)} (${differs}).`;
}

// What covering a part of the photo did to the answer.
export function afterCovering(before, after) {
  const [from, to] = [best(before), best(after)];
  return `${from.answer} ${percent(from.score)} → ${to.answer} ${percent(to.score)}: ${difference(from, to)}.`;
}

export const covered = (share) => (share > 0 ? `${percent(share)} of the photo is covered.` : "Nothing is covered.");

export const points = (change) => `${change < 0 ? "−" : "+"}${(100 * Math.abs(change)).toFixed(1)} points`;

// Where covering a place lowers an answer's probability, by at most `most`.
export const occlusion = (answer, most) => most < 0.005
  ? `Covering any one place changes '${answer}' by less than a point.`
  : `Covering the hottest place lowers '${answer}' by ${(100 * most).toFixed(0)} points.`;

export const milliseconds = ({ photo, question }) =>
  `Answered in ${Math.round(1000 * question)} ms; the photo was encoded once, in ${Math.round(1000 * photo)} ms.`;

export const looked = (label, place) => `${label === "looked" ? "Looked most" : label}: ${place ? `strongest at the ${place}` : "the same everywhere"}`;

// Whether it makes sense to complete what is typed: a question that ends is complete.
export const unfinished = (text) => text.trim().length > 1 && !/[?.!]\s*$/.test(text);

// At most three questions that were not asked yet.
export const fresh = (questions, asked) => [...new Set(questions)].filter((question) => !asked.includes(question)).slice(0, 3);

// Whether the bytes of an image file are an animation, of which only the first frame is read.
export function animated(bytes) {
  const text = String.fromCharCode(...bytes.slice(0, 4096));
  if (text.startsWith("GIF8")) return text.includes("NETSCAPE2.0");
  if (text.startsWith("RIFF") && text.slice(8, 16) === "WEBPVP8X") return (bytes[20] & 2) > 0;
  return text.startsWith("\x89PNG") && text.includes("acTL");
}
