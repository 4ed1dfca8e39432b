import assert from "node:assert/strict";
import { test } from "node:test";
import * as say from "../../../ui/thread/sentences.js";

const result = (answer, confidence, more = {}) => ({ answer, confidence, sure: true, guess: false, blind: null, top: topOf(answer, confidence), ...more });
const topOf = (answer, confidence) => [{ answer, score: confidence }, { answer: answer === "yes" ? "no" : "yes", score: 1 - confidence }];

test("shares are rounded without claiming certainty", () => {
  for (const [share, text] of [[0, "0%"], [0.004, "<1%"], [0.01, "1%"], [0.526, "53%"], [0.994, ">99%"], [1, "100%"]]) assert.equal(say.percent(share), text);
});

test("the answer in large type", () => {
  for (const [answer, confidence, sure, text] of [
    ["cup", 0.8, true, "cup"], ["cup", 0.2, false, "not sure, perhaps cup"], ["yes", 0.53, true, "yes or no: a toss-up"],
    ["no", 0.59, false, "yes or no: a toss-up"], ["yes", 0.6, true, "yes"], ["no", 0.61, false, "not sure, perhaps no"], ["2", 0.53, true, "2"],
    ["yes", 0.599, true, "yes"], ["no", 0.594, false, "yes or no: a toss-up"],
  ]) assert.equal(say.headline(result(answer, confidence, { sure })), text);
  for (const top of [[{ answer: "no", score: 0.28 }, { answer: "skiing", score: 0.21 }], [{ answer: "no", score: 0.28 }, { answer: "yes", score: 0.21 }], undefined])
    assert.equal(say.headline(result("no", 0.28, { sure: false, top })), "not sure, perhaps no");
});

test("the confidence in words", () => {
  for (const [share, text] of [
    [0.6, "right about 6 times in 10"], [0.53, "right about 5 times in 10"], [0.1, "right about once in 10"],
    [0.149, "right about 2 times in 10"], [0.151, "right about 2 times in 10"], [0.04, "right less than once in 10 times"], [0.96, "right nearly every time"], [0.94, "right about 9 times in 10"],
  ]) assert.equal(say.often(share), text);
  assert.equal(say.confidence(result("cup", 0.6, { guess: true })), "60%: right about 6 times in 10; a guess: the photo hardly mattered");
  assert.equal(say.confidence(result("yes", 0.94, { sure: false })), "94%, but answers of this kind are right less often");
  assert.equal(say.confidence(result("cup", 0.4, { sure: false })), "40%: right about 4 times in 10");
  assert.equal(say.confidence(result("yes", 0.53)), "yes 53%: right about 5 times in 10");
});

test("two answers are compared by what they are and how likely", () => {
  for (const [before, after, text] of [
    [["cup", 0.65], ["cup", 0.25], "the same answer, less sure"], [["cup", 0.25], ["cup", 0.65], "the same answer, surer"],
    [["cup", 0.65], ["cup", 0.62], "the same answer, about as sure"], [["cup", 0.04], ["dog", 0.04], "another answer, but neither is likely"],
    [["cup", 0.5], ["dog", 0.04], "another answer"], [["cup", 0.04], ["dog", 0.5], "another answer"], [["cup", 0.65], ["cup", 0.59], "the same answer, less sure"],
  ]) assert.equal(say.difference(...[before, after].map(([answer, score]) => ({ answer, score }))), text);
  assert.equal(say.withoutPhoto(result("cup", 0.65, { blind: { answer: "cup", score: 0.25 } })), "Without the photo: cup, 25% (the same answer, less sure).");
  assert.equal(say.withoutPhoto(result("yes", 0.35, { guess: true, blind: { answer: "no", score: 0.36 } })),
    "Without the photo: no, 36% (with or without it, the answers are about as likely).");
  assert.equal(say.withoutPhoto(result("cup", 0.65)), null);
  assert.equal(say.afterCovering(result("cup", 0.04), result("dog", 0.04)), "cup 4% → dog 4%: another answer, but neither is likely.");
});

test("what is covered, and what that changes", () => {
  for (const [share, text] of [[0, "Nothing is covered."], [0.39, "39% of the photo is covered."], [0.001, "<1% of the photo is covered."]]) assert.equal(say.covered(share), text);
  for (const [change, text] of [[-0.123, "−12.3 points"], [0.04, "+4.0 points"]]) assert.equal(say.points(change), text);
  for (const [most, text] of [[0.2, "Covering the hottest place lowers 'cup' by 20 points."], [0.001, "Covering any one place changes 'cup' by less than a point."]])
    assert.equal(say.occlusion("cup", most), text);
});

test("only an unfinished question is completed", () => {
  for (const [text, expected] of [["what co", true], ["what animal is this?", false], ["what animal is this? ", false], ["", false], ["w", false], ["it is red.", false]])
    assert.equal(say.unfinished(text), expected, text);
});

test("at most three questions are suggested, none that was asked", () => {
  assert.deepEqual(say.fresh(["a", "b", "a", "c", "d", "e"], ["b"]), ["a", "c", "d"]);
  assert.deepEqual(say.fresh(["a"], ["a"]), []);
});

test("animations are recognised by their bytes", () => {
  const bytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  for (const [text, expected] of [
    ["GIF89a..NETSCAPE2.0", true], ["GIF89a..", false], ["\x89PNG....acTL", true], ["\x89PNG....", false],
    ["RIFF....WEBPVP8X....\x02", true], ["RIFF....WEBPVP8X....\x10", false], ["RIFF....WEBPVP8 ....\x02", false], ["", false],
  ]) assert.equal(say.animated(bytes(text)), expected, text);
});
