// Questions as the model reads them: the tokenizer of `tokenizer.json`, and the refusals of vqa/model/text.py.
import { Refused } from "./refused.js";

const MOST = 300; // characters
const UNKNOWN = 1; // the number of every unknown word
const LETTER = "\\p{L}\\p{M}\\p{N}\\p{Pc}"; // what a word is made of
const RUN = new RegExp(`[${LETTER}]+`, "gu");
const WORD = new RegExp(`n't(?![${LETTER}])|'(?:s|re|ve|ll|d|m)(?![${LETTER}])|[\\p{L}\\p{N}]+?(?=n't(?![${LETTER}]))|[\\p{L}\\p{N}]+`, "gu");
const SCRIPT = { CJK: "Han" }; // others have the name of their letters

// Text in quotes, cut for a message, as Python's `repr`.
export function short(text, length = 40) {
  const cut = [...text].length <= length ? text : `${[...text].slice(0, length - 1).join("")}…`;
  return cut.includes("'") && !cut.includes('"') ? `"${cut}"` : `'${cut.replaceAll("'", "\\'")}'`;
}

// The characters of a text in lower case and without accents, each with the stretch of the text that it stands for.
function plain(text) {
  const found = [];
  let at = 0;
  for (const character of text) {
    const letters = character.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase().replace(/[’‘ʼ`´]/g, "'");
    for (const letter of letters) found.push([letter, at, at + character.length]);
    at += character.length;
  }
  return found;
}

// The same for a word that is read as another one: what differs stands for the last character that it replaces.
function readAs(word, target) {
  const shorter = Math.min(word.length, target.length);
  let before = 0, after = 0;
  while (before < shorter && word[before][0] === target[before]) before++;
  while (after < shorter - before && word.at(-1 - after)[0] === target.at(-1 - after)) after++;
  if (after && target[before] === "'") after--; // belongs to the letter after it
  if (before && !after && before === target.length) before--; // the end is dropped: the last letter takes it over
  const last = word[Math.max(word.length - after - 1, 0)];
  return [...target].map((letter, i) => {
    const same = i < before ? word[i] : i >= target.length - after ? word[word.length - target.length + i] : last;
    return [letter, i ? same[1] : word[0][1], same[2]];
  });
}

// `vocabulary`: the words by number; `readings`: what other words are read as.
export function createReader({ vocabulary, readings, scripts, common }) {
  const number = new Map(vocabulary.map((word, i) => [word, i])), read = new Map(Object.entries(readings));
  const usual = Object.entries(common).map(([language, words]) => [language, new Set(words.trim().split(/\s+/))]);
  const letters = Object.entries(scripts).map(([name, language]) =>
    [language, new RegExp(`\\p{Script=${SCRIPT[name] ?? name[0] + name.slice(1).toLowerCase()}}`, "u")]);

  // As `vqa.model.text.language_of`.
  function languageOf(words) {
    const script = letters.find(([, pattern]) => words.some((word) => pattern.test(word)));
    if (script) return script[0];
    const [best, count] = usual.map(([language, set]) => [language, words.filter((word) => set.has(word.toLowerCase())).length])
      .reduce((a, b) => (b[1] > a[1] ? b : a));
    return count >= Math.max(2, words.length / 2) ? best : null;
  }

  // The numbers of a question's words, the words as they were asked, and those that are unknown.
  function tokens(question) {
    const text = question.normalize("NFC"), characters = plain(text), lower = characters.map(([letter]) => letter).join("");
    const index = []; // of each UTF-16 unit
    characters.forEach(([letter], i) => index.push(...Array(letter.length).fill(i)));
    index.push(characters.length);
    const out = [];
    let done = 0;
    for (const { 0: run, index: at } of lower.matchAll(RUN)) {
      const target = read.get(run);
      if (target === undefined) continue;
      const [from, to] = [index[at], index[at + run.length]];
      out.push(...characters.slice(done, from), ...readAs(characters.slice(from, to), target));
      done = to;
    }
    out.push(...characters.slice(done));
    const units = out.flatMap((one) => Array(one[0].length).fill(one));
    const ids = [], words = [];
    for (const { 0: word, index: at } of out.map(([letter]) => letter).join("").matchAll(WORD)) {
      ids.push(number.get(word) ?? UNKNOWN);
      words.push(text.slice(units[at][1], units[at + word.length - 1][2]));
    }
    return { ids, words, unknown: words.filter((_, i) => ids[i] === UNKNOWN) };
  }

  // The same with a remark, or a refusal, as `vqa.model.text.check_question` and `check_known`.
  return function (question) {
    const length = [...question].length;
    if (length > MOST) throw new Refused(`The question has ${length.toLocaleString("en")} characters; at most ${MOST} can be read, so ask it more briefly.`);
    if (!question.trim()) throw new Refused("The question is empty; ask in plain words, such as 'what is on the table?'.");
    const found = tokens(question), { words, unknown } = found, count = words.length;
    if (!count) throw new Refused(`The question ${short(question)} has no words; ask in plain words.`);
    const language = 3 * unknown.length >= count ? languageOf(words) : null;
    if (language) throw new Refused(`The question ${short(question)} is in ${language}, and the model knows ${count - unknown.length} of its ${count} words; ask in plain English words.`);
    if (unknown.length === count) throw new Refused(`The model knows none of the words in ${short(question)}; ask in plain English words.`);
    return { ...found, note: 2 * unknown.length > count ? `the model does not know ${unknown.length} of the ${count} words of the question` : "" };
  };
}
