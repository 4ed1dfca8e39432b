// The page: what happens between the stage, the thread, the question box and the server.
import { about, call, example, onConnection, shared, upload } from "../api/server.js";
import { createEmpty } from "../stage/empty.js";
import { layer, looks } from "../stage/heat.js";
import { photoOf } from "../stage/part.js";
import { createStage } from "../stage/stage.js";
import { openSeveral } from "../stage/several.js";
import { createTray } from "../stage/tray.js";
import { createBox } from "../thread/box.js";
import { occlusionLayer } from "../thread/card.js";
import { collecting } from "../thread/collect.js";
import { animated } from "../thread/sentences.js";
import { continueThread, read, visit, write } from "../thread/store.js";
import { createThread } from "../thread/thread.js";
import { address, isNamed, named } from "./address.js";
import { button, make, save } from "./dom.js";
import { loadingLine } from "./loading.js";

export function start({ element, props }) {
  const { examples, general } = props;
  let thread = null; // { id, file, name, url, questions, caption, turns, ready }
  let selected = null, part = null, covering = 0, seeds = 0, lost = "", unasked = null;

  const notice = make("p", { class: "notice", role: "alert", hidden: true });
  const say = (given, action = null) => { // a lost server is said again when the last notice is done
    const text = given || lost;
    notice.replaceChildren(text, ...(action ? [action] : []), button("×", () => say(""), { "aria-label": "close" }));
    notice.hidden = !text;
  };
  const view = createThread({
    models: props.models, anyModel: props.any_model, alone: props.alone, onCaptionLayer: (layer) => { select(null); display(layer); },
    onAnother: () => describe(thread, 0.7), onPicture: picture, onClear: () => discard(thread.turns),
    cards: {
      onSelect: (turn) => turn !== selected && select(turn), onShow: (turn, found) => display(found, turn.part), onRemove: (turn) => discard([turn]),
      link, explain: (turn, answer) => tried(async () => layer(`speaks for '${answer}'`, (await aboutTurn(turn, "evidence", turn.question, answer)).map)),
      cover: async (turn) => (await tried(async () => occlusionLayer(await aboutTurn(turn, "occlusion", turn.question)))) ?? [null, ""],
    },
  });
  const stage = createStage({ onMark: mark, onCover: cover, onNew: () => open({}, true) });
  const empty = createEmpty({ examples, alone: props.alone, onFiles: chooseAll, onExample });
  const tray = createTray({ onSwitch });
  const box = createBox({
    onAsk: (text) => ask(text), onUnmark: () => { stage.marks.part(null); mark(null); },
    complete: async (text) => (await call("complete", text, 3)).map((completion) => completion.text),
  });
  if (props.collects) collecting(async (turn, answer) => (await aboutTurn(turn, "collect", turn.question, answer)).text);
  element.append(make("div", { class: "scene" },
    make("header", { class: "bar" }, make("h1", {}, "Glimpse"), loadingLine(),
      !props.alone && make("nav", { "aria-label": "Pages" }, make("a", { href: "learn" }, "Learn"), make("a", { href: "about" }, "About"))),
    make("div", { class: "main" }, box.element, make("section", { class: "stage", "aria-label": "Photo" }, empty.element, stage.element, tray.element), view.element, notice)));

  const tried = (action) => action().catch(({ message }) => say(message));

  function link(turn) { return new URL(address(thread.id, turn), document.baseURI).href; }
  function remember(turn, replace = false) {
    history[replace ? "replaceState" : "pushState"](null, "", thread ? address(thread.id, turn) : location.pathname);
  }
  const keep = async (one) => {
    visit(tray.all().map(({ id }) => id).filter(Boolean));
    if (await write(one) && thread === one) redraw();
  };
  function redraw(turn = selected) {
    view.draw(thread.turns);
    select(turn);
    suggest();
  }

  // Show a thread, or the empty page.
  function show(next) {
    thread = next;
    [selected, part] = [null, null];
    empty.element.hidden = Boolean(next);
    document.querySelector(".scene").classList.toggle("with-photo", Boolean(next));
    view.draw(next?.turns ?? null);
    box.clear();
    box.marked(false);
    suggest();
    say("");
    tray.current(next);
    const displayed = stage.setPhoto(next?.url ?? null);
    if (next) view.caption.draw(next.caption);
    return displayed;
  }
  const suggest = () => box.suggest(thread ? [...thread.questions, ...general] : [], thread?.turns.map(({ question }) => question) ?? []);

  const begin = (file, name = file.name || "photo.png", questions = []) =>
    ({ id: null, file, name, url: URL.createObjectURL(file), questions, caption: null, turns: [], ready: null });

  function chooseAll(files) { return openSeveral(files, { begin, choose, tray, say, look: (one) => sent(one).then(() => about(one, "look", false)).then(() => keep(one)) }); }
  const sent = async (one) => one.id ? one : Object.assign(one, await upload(one.file));
  function onSwitch(one) {
    if (one === thread) return;
    if (!one.ready) return choose(one);
    show(one);
    select(one.turns.at(-1) ?? null);
    remember(one.turns.at(-1));
    if (!one.caption) describe(one);
  }

  // A photo that was asked about before comes with its questions.
  async function recall(one) {
    const earlier = tray.all().find((other) => other !== one && other.id === one.id) ?? await read(one.id);
    tray.only(one);
    if (continueThread(one, earlier) && thread === one) redraw(selected ?? one.turns.at(-1));
  }

  // Open a photo; the result is the sentence with which it was refused, if it was.
  async function choose(next, first = "") {
    const before = thread;
    const bytes = new Uint8Array(await next.file.slice(0, 65536).arrayBuffer());
    const image = Object.assign(new Image(), { src: next.url });
    const decoded = await image.decode().then(() => true, () => false);
    tray.add(next);
    if (decoded) show(next);
    else say(`Opening ${next.name} …`);
    next.ready = (async () => {
      await recall(await sent(next));
      const { picture: seen } = await about(next, "look", !decoded);
      if (decoded) return;
      next.url = seen;
      show(next);
    })();
    if (first) ask(first);
    try {
      await next.ready;
    } catch (error) { // refused: what was there stays
      tray.remove(next);
      show(before);
      if (before && selected === null) select(before.turns.at(-1) ?? null);
      say(error.message);
      return error.message;
    }
    if (thread !== next) return;
    if (animated(bytes)) say("The picture moves; the answers are about its first frame.");
    remember(next.turns.at(-1));
    keep(next);
    if (next.caption) view.caption.draw(next.caption);
    else describe(next);
  }

  async function onExample(i) {
    const { name, questions, photo } = examples[i], file = await tried(() => example(photo));
    if (file) choose(begin(file, name, questions), questions[0]);
  }

  async function describe(one, temperature = 0) {
    let sentence;
    try {
      one.caption = await about(one, "describe", 3, temperature, temperature ? (seeds += 1) : 0);
      keep(one);
    } catch (error) {
      sentence = error.message;
    }
    if (thread !== one) return;
    view.caption.draw(one.caption, sentence);
    if (one.caption) view.announce(`Caption: ${one.caption.text}`);
  }

  const aboutTurn = async (turn, ...values) => about(await photoOf(turn, thread), ...values);

  async function ask(text) {
    const question = text.trim();
    if (!thread) return say("There is no photo yet; choose one first.");
    if (!question) return box.input.focus();
    const one = thread, turn = { question, part, result: null }, other = view.comparedWith();
    say("");
    one.turns.push(turn);
    view.add(turn);
    box.clear();
    if (part) mark(null);
    select(turn);
    suggest();
    if (one.id) remember(turn);
    const queue = setInterval(async () => { // a slow answer: say how long the queue is
      const { waiting } = await call("status").catch(() => ({}));
      if (!turn.result && !turn.error) view.wait(turn, waiting);
    }, 2000);
    try {
      await one.ready;
      const photo = await photoOf(turn, one);
      if (other) {
        const [first, second] = await about(photo, "compare", question, "", other);
        Object.assign(turn, { result: first, second: { name: other, result: second } });
      } else turn.result = await about(photo, "ask", question);
      keep(one);
    } catch (error) {
      turn.error = error.message;
    }
    clearInterval(queue);
    if (thread !== one) return turn;
    view.update(turn);
    if (selected === turn) heat(turn);
    if (turn.error || turn.result.unknown_words.length) {
      const meant = await call("did_you_mean", question).catch(() => null);
      if (meant && thread === one && one.turns.at(-1) === turn) box.meant(meant.text);
    }
    return turn;
  }

  // The heat of a turn: where it looked, or with a part hidden, where it looked then.
  function heat(turn) {
    stage.marks.mask(turn?.hidden?.mask ?? null);
    const result = turn?.hidden?.after ?? turn?.result;
    display(result ? (looks(result)[0] ?? null) : null, turn?.part);
  }
  // Show a map; a part that is marked for the next question stays.
  function display(found, area) {
    stage.show(found, area);
    if (part) stage.marks.part(part);
  }
  function select(turn) {
    selected = turn;
    view.select(turn);
    heat(turn);
  }

  function mark(area) { box.marked(Boolean((part = area))); }

  async function cover(mask) {
    const run = (covering += 1), one = thread;
    const whole = (turn) => turn?.result && !turn.part;
    const turn = whole(selected) ? selected : (one.turns.findLast(whole) ?? (mask && (await (unasked ??= ask("what is this?").finally(() => (unasked = null))))));
    if (!turn?.result || thread !== one) return;
    if (mask) {
      const found = await tried(() => about(one, "what_if", turn.question, mask));
      if (!found || run !== covering || thread !== one) return;
      turn.hidden = { mask, after: found.after, changes: found.changes };
    } else delete turn.hidden;
    view.update(turn);
    if (selected === turn) heat(turn);
    else select(turn);
    view.reveal(turn);
    keep(one);
  }

  // Remove turns, which can be undone.
  function discard(turns) {
    const one = thread, before = [...one.turns];
    const set = (list) => {
      one.turns = list;
      keep(one);
      if (thread !== one) return;
      redraw(list.at(-1) ?? null);
      remember(list.at(-1), true);
    };
    set(before.filter((turn) => !turns.includes(turn)));
    say(turns.length === 1 ? "The question was removed." : "All questions were removed.", button("Undo", () => { set(before); say(""); }));
    notice.querySelector("button").focus({ preventScroll: true }); // the button that was pressed is gone
  }

  async function picture() {
    const questions = thread.turns.filter(({ result, part: marked }) => result && !marked).map(({ question }) => question);
    const file = await tried(() => about(thread, "picture", questions));
    if (file) save("glimpse.png", file.url);
  }

  function restored(stored) {
    const one = tray.find(stored.id) ?? { ready: true, ...stored, url: URL.createObjectURL(stored.file) };
    tray.add(one);
    return one;
  }

  // What an address names: a photo of this browser or of this server, and a question about it, which is asked if it is
  // new; not by going back to one that was removed.
  async function open({ photo: id, question, part: area }, push = false, back = false) {
    if (!id) show(null);
    else if (thread?.id !== id) {
      const stored = tray.find(id) ?? await read(id) ?? await tried(async () => ({ id, questions: [], caption: null, turns: [], ...(await shared(id)) }));
      if (!stored) return;
      const one = restored(stored);
      await show(one);
      select(thread.turns.at(-1) ?? null);
      if (!stored.caption) describe(thread);
    }
    if (push) remember();
    if (!id || !question) return;
    const turn = thread.turns.findLast((one) => isNamed(one, { question, part: area }));
    if (!turn && back) return;
    if (!turn) {
      part = area;
      return ask(question);
    }
    select(turn);
    view.reveal(turn);
  }
  const opened = (back = false) => open(named(location.search), false, back);
  addEventListener("popstate", () => opened(true));

  onConnection((there) => {
    lost = there ? "" : "The connection to the server is lost; your questions are sent again when it is back.";
    say("");
  });

  Promise.all(visit().map(read)).catch(() => []).then((all) => {
    all.filter(Boolean).forEach(restored);
    opened();
  });
}
