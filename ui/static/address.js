// The page's address: the photo's hash, the question, and the part of the photo that it is about.

const written = (part) => part?.map((value) => value.toFixed(3)).join() ?? "";

export function address(photo, turn) {
  const part = written(turn?.part);
  return `?${new URLSearchParams({ photo, ...(turn ? { q: turn.question } : {}), ...(part ? { part } : {}) })}`;
}

// What an address says: `{ photo, question, part }`.
export function named(search) {
  const { photo, q: question, part } = Object.fromEntries(new URLSearchParams(search));
  const box = part?.split(",").map(Number);
  return { photo, question, part: box?.length === 4 && box.every((value) => value >= 0 && value <= 1) ? box : null };
}

// Whether a turn is the one that an address names.
export const isNamed = (turn, { question, part }) => turn.question === question && written(turn.part) === written(part);
