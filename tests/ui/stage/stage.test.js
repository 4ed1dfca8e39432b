import assert from "node:assert/strict";
import { test } from "node:test";
import { colour, layer, looks, peakPlace } from "../../../ui/stage/heat.js";
import { boxOf, CELLS, dab, rowsOf, share } from "../../../ui/stage/marking.js";

test("colours rise from dark and clear to bright and opaque", () => {
  assert.deepEqual(colour(0), [0, 0, 3, 0]);
  assert.deepEqual(colour(1), [252, 254, 164, 204]);
  const light = [0, 0.25, 0.5, 0.75, 1].map((value) => colour(value).slice(0, 3).reduce((a, b) => a + b));
  assert.deepEqual(light, [...light].sort((a, b) => a - b));
  assert.deepEqual(colour(7), colour(1));
});

test("the looks of an answer", () => {
  const maps = [[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]];
  const found = looks({ attention: { maps, height: 2, width: 2 }, glimpse: 0 });
  assert.deepEqual(found.map(({ label }) => label), ["looked", "look 1, which carried the answer", "look 2"]);
  assert.deepEqual(found[0].weights, [0.625, 0.125, 0.125, 0.125]);
  assert.deepEqual(found.map(({ top }) => top), [0.625, 1, 0.5]); // an even map is not hot
  assert.deepEqual(looks({ attention: { maps: [], height: 1, width: 1 } }), []);
  assert.equal(looks({ attention: { maps: maps.slice(1), height: 2, width: 2 } }).length, 1);
});

test("the peak has a place, but an even map has none", () => {
  const at = (row, column) => layer("", Array.from({ length: 3 }, (_, i) => Array.from({ length: 3 }, (_, j) => +(i === row && j === column))));
  assert.deepEqual([[0, 0], [0, 1], [1, 1], [1, 2], [2, 2]].map((place) => peakPlace(at(...place))), ["upper left", "top", "centre", "right", "lower right"]);
  assert.equal(peakPlace(layer("", [[1, 1], [1, 1]])), null);
  assert.deepEqual(layer("", [[-1, 2]]).weights, [0, 2]);
});

test("a box is drawn from any corner, and a click is none", () => {
  assert.deepEqual(boxOf([0.5, 0.5], [0.25, 1]), [0.25, 0.5, 0.25, 0.5]);
  assert.equal(boxOf([0.5, 0.5], [0.51, 0.9]), null);
});

test("a brush covers cells, also at the edge", () => {
  const cells = new Uint8Array(CELLS * CELLS);
  dab(cells, [0, 0], 3);
  assert.equal(share(cells), 4 / CELLS ** 2);
  dab(cells, [10, 5], 1);
  assert.equal(rowsOf(cells)[5][10], 1);
  dab(cells, [10, 5], 1, 0);
  assert.deepEqual(rowsOf(cells).map((row) => row.length), Array(CELLS).fill(CELLS));
  assert.equal(rowsOf(cells)[5][10], 0);
});
