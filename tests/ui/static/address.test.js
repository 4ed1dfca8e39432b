import assert from "node:assert/strict";
import { test } from "node:test";
import { address, isNamed, named } from "../../../ui/static/address.js";

test("an address names a photo, a question and a part", () => {
  const turn = { question: "is it red & blue?", part: [0.1, 0.25, 1 / 3, 0.5] };
  assert.ok(isNamed(turn, named(address("abc", turn))));
  assert.deepEqual(named(address("abc", turn)), { photo: "abc", question: turn.question, part: [0.1, 0.25, 0.333, 0.5] });
  assert.deepEqual(named(address("abc")), { photo: "abc", question: undefined, part: null });
  assert.ok(!isNamed({ ...turn, part: null }, named(address("abc", turn))));
  for (const part of ["1,2", "0.1,0.2,0.3,2", "a,b,c,d", ""]) assert.equal(named(`?photo=abc&q=what&part=${part}`).part, null);
});
