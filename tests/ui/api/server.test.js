import assert from "node:assert/strict";
import { test } from "node:test";
import { about, call, onConnection, Refused, resultOf } from "../../../ui/api/server.js";

const done = (value) => `event: heartbeat\ndata: null\n\nevent: complete\ndata: ${JSON.stringify([value])}\n\n`;
const failed = (sentence) => `event: error\ndata: ${JSON.stringify({ error: sentence })}\n\n`;

// A server that answers each call with the next of these streams; an Error loses the connection.
function serve(streams) {
  const sent = [];
  globalThis.fetch = async (url, options) => {
    if (String(url).includes("manifest")) return new Response("{}");
    if (options?.body instanceof FormData) return new Response(JSON.stringify(["/uploads/abc/photo.png"]));
    if (options?.method === "POST") return sent.push(JSON.parse(options.body)), new Response(JSON.stringify({ event_id: "1" }));
    const next = streams.shift();
    if (next instanceof Error) throw next;
    return new Response(next);
  };
  return sent;
}

test("a stream has a result, a refusal, or was cut off", () => {
  assert.equal(resultOf(done("cup")), "cup");
  assert.throws(() => resultOf(failed("There is no photo yet.")), new Refused("There is no photo yet."));
  assert.throws(() => resultOf("event: error\ndata: {}\n\n"), /Something went wrong/);
  for (const cut of ["event: heartbeat\ndata: null\n\n", 'event: error\ndata: "Session not found."\n\n']) assert.equal(resultOf(cut), undefined);
});

test("a call that is lost is said once and sent again", async () => {
  const seen = [];
  onConnection((there) => seen.push(there));
  const sent = serve([new TypeError("network"), done("cup")]);
  assert.equal(await call("ask", 1, 2), "cup");
  assert.deepEqual(sent.map(({ data }) => data), [[1, 2], [1, 2]]);
  assert.deepEqual(seen, [false, true]);
});

test("sessions are used again, so that the server stores few", async () => {
  const sent = serve(Array(5).fill(done(1)));
  for (let i = 0; i < 5; i++) await call("ask");
  assert.equal(new Set(sent.map((body) => body.session_hash)).size, 1);
});

test("a photo that the server has deleted is sent again", async () => {
  const photo = { file: new Blob(["x"]), name: "photo.png", path: "/uploads/old/photo.png" };
  const sent = serve([failed("The photo was not uploaded; upload it first."), done("cup")]);
  assert.equal(await about(photo, "ask", "what?"), "cup");
  assert.deepEqual(sent.map(({ data }) => data[0].path), ["/uploads/old/photo.png", "/uploads/abc/photo.png"]);
  serve([failed("The question is empty.")]);
  await assert.rejects(about(photo, "ask", ""), { message: "The question is empty." });
});
