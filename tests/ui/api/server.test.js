import assert from "node:assert/strict";
import { test } from "node:test";
import { about, call, onConnection, Refused, resultOf, upload } from "../../../ui/api/server.js";

const done = (result) => () => Response.json({ result });
const failed = (error, status = 400) => () => Response.json({ error }, { status });
const lost = () => { throw new TypeError("network"); };

// A server that answers each call with the next of these; the result has what was sent.
function serve(...answers) {
  const sent = [];
  globalThis.fetch = async (url, options) => {
    if (String(url).includes("page.json")) return new Response("{}");
    sent.push([String(url).split("/glimpse/")[1], typeof options?.body === "string" ? JSON.parse(options.body) : options?.body]);
    return answers.shift()();
  };
  return sent;
}

test("a response has a result, or a refusal", async () => {
  assert.equal(await resultOf(Response.json({ result: "cup" })), "cup");
  await assert.rejects(resultOf(failed("There is no photo yet.")()), new Refused("There is no photo yet."));
  await assert.rejects(resultOf(failed("Something went wrong.", 500)()), new Refused("Something went wrong."));
  await assert.rejects(resultOf(new Response("<html>", { status: 413 })), new Refused("The file is too large; choose one of at most 64 MB."));
  await assert.rejects(resultOf(new Response("<html>", { status: 403 })), Refused);
  await assert.rejects(resultOf(new Response("<html>", { status: 502 })), SyntaxError); // a proxy without a server
});

test("a call that is lost is said once and sent again", async () => {
  const seen = [];
  onConnection((there) => seen.push(there));
  const sent = serve(lost, done("cup"));
  assert.equal(await call("ask", 1, 2), "cup");
  assert.deepEqual(sent, [["call/ask", { data: [1, 2] }], ["call/ask", { data: [1, 2] }]]);
  assert.deepEqual(seen, [false, true]);
});

test("a photo that the server has deleted is sent again", async () => {
  const photo = { file: new Blob(["x"]), id: "old" };
  const sent = serve(failed("The photo was not uploaded; upload it first."), done("new"), done("cup"), done("plate"));
  assert.equal(await about(photo, "ask", "what?"), "cup");
  assert.equal(await about(photo, "ask", "and?"), "plate");
  assert.deepEqual(sent.map(([path, body]) => [path, body.photo]), [["call/ask", "old"], ["upload", undefined], ["call/ask", "new"], ["call/ask", "new"]]);
  assert.equal(photo.id, "old"); // by which its questions are stored
  serve(failed("The question is empty."));
  await assert.rejects(about(photo, "ask", ""), { message: "The question is empty." });
});

test("a file that is too large is not sent", async () => {
  const sent = serve(done("name"));
  assert.deepEqual(await upload(new Blob(["x"])), { id: "name" });
  await assert.rejects(upload({ size: (64 << 20) + 1 }), Refused);
  assert.equal(sent.length, 1);
});
