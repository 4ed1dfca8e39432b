"""The questions that can be asked about a scene of coloured shapes, and their answers.

The families follow Sort-of-CLEVR (Santoro et al. 2017, "A simple neural network module for relational
reasoning") and CLEVR (Johnson et al. 2017). Answers follow from the scene alone. Two rules keep the question
from revealing its answer:

- a question with few answers (yes or no, left or right, a count) is asked only if the scene offers at
  least two of the answers; the answer is drawn first, uniformly, then an object that has it;
- a question for a colour or a shape names its object without that property, or, if the full name of a
  reference is needed, draws "same as named" no more often than chance.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from vqa.data.world_scene import COLOURS, SHAPES, Scene, Seed, Shape, random_stream
from vqa.model.errors import InputError

T = TypeVar("T")
VALUES = {"colour": COLOURS, "shape": SHAPES}
# Least difference, as a fraction of the picture's width, for "left of" or "nearest": more than radii in a
# generated scene differ, so centres and edges give the same answer.
MARGIN = 0.08
MAX_QUESTIONS = 32  # every scene has so many different ones


@dataclass(frozen=True, slots=True)
class WorldQuestion:
    """A question and its answer.

    `asked` has the indexes of the shapes that decide the answer (for the pointing game): the one whose
    property is asked, both that are compared, all that are counted or exist; empty if none does.
    `relational` as in Sort-of-CLEVR: the answer depends on relations between shapes.
    """

    question: str
    answer: str
    family: str
    relational: bool
    asked: tuple[int, ...]


_WORDINGS = {
    "attribute": ("What {0} is the {1}?", "What is the {0} of the {1}?", "Which {0} does the {1} have?"),
    "count": ("How many {0} are there?", "How many {0} are in the picture?", "How many {0} do you see?"),
    "exist": ("Is there {0}?", "Is there {0} in the picture?", "Can you see {0}?"),
    "half x": ("Is the {0} on the left or on the right?", "Is the {0} in the left or right half?"),
    "half y": ("Is the {0} at the top or at the bottom?", "Is the {0} in the top or bottom half?"),
    "in half": ("Is the {0} {1} of the picture?", "Is the {0} {1}?"),
    "x": ("Is the {0} to the left or to the right of the {1}?", "Is the {0} left or right of the {1}?"),
    "y": ("Is the {0} above or below the {1}?", "Does the {0} lie above or below the {1}?"),
    "lies": ("Is the {0} {1} the {2}?", "Does the {0} lie {1} the {2}?"),
    "same": ("Are the {1} and the {2} the same {0}?", "Is the {1} the same {0} as the {2}?"),
    "another": ("Is another object the same {0} as the {1}?", "Is any other object the same {0} as the {1}?"),
    "count same": ("How many other objects are the same {0} as the {1}?",),
}
_WORD = {"colour": "color", "shape": "shape"}
_OTHER = {"colour": "shape", "shape": "colour"}
_NAMES: dict[str, Callable[[Shape], str]] = {
    "shape": lambda s: s.shape,
    "colour": lambda s: f"{s.colour} object",
    "both": lambda s: f"{s.colour} {s.shape}",
}
# word: axis, and the sign that makes the object meant the smallest
_PLACES = {"leftmost": ("x", 1), "rightmost": ("x", -1), "highest": ("y", 1), "lowest": ("y", -1)}
_DIRECTIONS = {"left of": ("x", 1), "right of": ("x", -1), "above": ("y", 1), "below": ("y", -1)}
_HALVES = {"x": ("left", "right"), "y": ("top", "bottom")}
_SIDES = {"x": ("left", "right"), "y": ("above", "below")}
_IN_HALF = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}
_DISTANCES = {"nearest to": 1, "closest to": 1, "furthest from": -1, "farthest from": -1}


class _Draft(NamedTuple):
    wording: str
    args: tuple[str, ...]
    answer: str
    asked: tuple[int, ...]
    relational: bool = False


def _pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    return items[int(rng.integers(len(items)))]


def _yes_no(value: object) -> str:
    return "yes" if value else "no"


def _balanced(rng: np.random.Generator, drafts: Iterable[_Draft]) -> _Draft | None:
    """Draw the answer uniformly among those that the scene offers (two at least), then a draft that has it."""
    by_answer: dict[str, list[_Draft]] = {}
    for draft in drafts:
        by_answer.setdefault(draft.answer, []).append(draft)
    return _pick(rng, by_answer[_pick(rng, list(by_answer))]) if len(by_answer) > 1 else None


def _clear_first(values: Sequence[float], margin: float) -> int | None:
    """Index of the smallest value if the next one is larger by `margin`, else None."""
    order = sorted(range(len(values)), key=values.__getitem__)
    if not order or (len(order) > 1 and values[order[1]] - values[order[0]] < margin):
        return None
    return order[0]


def _named(scene: Scene, kind: str) -> dict[int, str]:
    """Index to name of the shapes that a name of this kind (in `_NAMES`, or "place") identifies uniquely."""
    if kind == "place":
        along = {word: [sign * getattr(s, axis) for s in scene.shapes] for word, (axis, sign) in _PLACES.items()}
        firsts = {word: _clear_first(values, MARGIN * scene.size) for word, values in along.items()}
        return {first: f"{word} object" for word, first in firsts.items() if first is not None}
    names = [_NAMES[kind](s) for s in scene.shapes]
    count = Counter(names)
    return {i: name for i, name in enumerate(names) if count[name] == 1}


def _named_somehow(scene: Scene, rng: np.random.Generator) -> dict[int, str]:
    """Index to a name by colour, shape or both, drawn among those that identify the shape uniquely."""
    kinds = [_named(scene, kind) for kind in _NAMES]
    names = {i: [kind[i] for kind in kinds if i in kind] for i in range(len(scene.shapes))}
    return {i: _pick(rng, choice) for i, choice in names.items() if choice}


def _attribute(
    scene: Scene, rng: np.random.Generator, attribute: str, named: Iterable[tuple[int, str]], relational: bool
) -> _Draft | None:
    """Ask the colour or shape of one of the `named` shapes (index and name)."""
    word, shapes = _WORD[attribute], scene.shapes
    drafts = [_Draft("attribute", (word, name), getattr(shapes[i], attribute), (i,), relational) for i, name in named]
    return _pick(rng, drafts) if drafts else None


def _attribute_by_relation(
    scene: Scene, rng: np.random.Generator, phrase: str, target_of: Callable[[int], int | None]
) -> _Draft | None:
    """Ask the colour or shape of "the object PHRASE the REFERENCE"; `target_of` maps a reference to that object."""
    attribute = _pick(rng, tuple(VALUES))
    kind = _pick(rng, (_OTHER[attribute], "both"))
    same_as_named = rng.random() < 1 / len(VALUES[attribute])
    values = [getattr(s, attribute) for s in scene.shapes]
    named = []
    for i, name in _named(scene, kind).items():
        target = target_of(i)
        if target is not None and (kind != "both" or (values[i] == values[target]) == same_as_named):
            named.append((target, f"object {phrase} the {name}"))
    return _attribute(scene, rng, attribute, named, relational=True)


def _position(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    axis = _pick(rng, tuple(_HALVES))
    in_half = rng.random() < 0.5
    drafts = []
    for i, name in _named_somehow(scene, rng).items():
        low, high = scene.shapes[i].box[0 if axis == "x" else 1 :: 2]
        if low < scene.size / 2 < high:
            continue
        own = _HALVES[axis][low >= scene.size / 2]
        if in_half:
            drafts += [_Draft("in half", (name, _IN_HALF[h]), _yes_no(h == own), (i,)) for h in _HALVES[axis]]
        else:
            drafts.append(_Draft(f"half {axis}", (name,), own, (i,)))
    return _balanced(rng, drafts)


def _count(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    attribute = _pick(rng, ("all", *VALUES))
    if attribute == "all":
        return _Draft("count", ("objects",), str(len(scene.shapes)), tuple(range(len(scene.shapes))))
    drafts = []
    for value in VALUES[attribute]:
        plural = f"{value} objects" if attribute == "colour" else value + ("es" if value == "cross" else "s")
        counted = tuple(i for i, s in enumerate(scene.shapes) if getattr(s, attribute) == value)
        drafts.append(_Draft("count", (plural,), str(len(counted)), counted))
    return _balanced(rng, drafts)


def _exist(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    kind = _pick(rng, tuple(_NAMES))
    present = {value for s in scene.shapes for value in (s.colour, s.shape)}
    drafts = []
    for colour in COLOURS if kind != "shape" else ("",):
        for shape in SHAPES if kind != "colour" else ("",):
            # "no" by a pair is a near miss: one word of the pair is in the picture, so both must be checked
            if kind == "both" and not present & {colour, shape}:
                continue
            name = f"{colour} {shape or 'object'}".strip()
            matching = tuple(i for i, s in enumerate(scene.shapes) if _NAMES[kind](s) == name)
            thing = f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
            drafts.append(_Draft("exist", (thing,), _yes_no(matching), matching))
    return _balanced(rng, drafts)


def _lies(scene: Scene, i: int, j: int, direction: str) -> bool | None:
    """Whether shape i lies in that direction from shape j; None if it is too close to call."""
    axis, sign = _DIRECTIONS[direction]
    ahead = sign * (getattr(scene.shapes[j], axis) - getattr(scene.shapes[i], axis))
    return None if abs(ahead) < MARGIN * scene.size else ahead > 0


def _only(scene: Scene, reference: int, direction: str) -> int | None:
    """The one shape in that direction from the reference, if all others clearly lie on the other side."""
    lies = {i: _lies(scene, i, reference, direction) for i in range(len(scene.shapes)) if i != reference}
    ahead = [i for i, is_ahead in lies.items() if is_ahead]
    return ahead[0] if len(ahead) == 1 and None not in lies.values() else None


def _spatial(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    kind = _pick(rng, ("lies", "either", "only", "place"))
    direction = _pick(rng, tuple(_DIRECTIONS))
    if kind == "only":
        return _attribute_by_relation(scene, rng, direction, lambda i: _only(scene, i, direction))
    if kind == "place":
        return _attribute(scene, rng, _pick(rng, tuple(VALUES)), _named(scene, "place").items(), True)
    names = _named_somehow(scene, rng)
    axis, sign = _DIRECTIONS[direction]
    drafts = []
    for i, j in itertools.permutations(names, 2):
        lies = _lies(scene, i, j, direction)
        if lies is None:
            continue
        if kind == "lies":
            drafts.append(_Draft("lies", (names[i], direction, names[j]), _yes_no(lies), (i, j), True))
        else:
            drafts.append(_Draft(axis, (names[i], names[j]), _SIDES[axis][lies == (sign < 0)], (i, j), True))
    return _balanced(rng, drafts)


def _nearest(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    phrase = _pick(rng, tuple(_DISTANCES))

    def target_of(reference: int) -> int | None:
        x, y = scene.shapes[reference].x, scene.shapes[reference].y
        away = [_DISTANCES[phrase] * math.hypot(s.x - x, s.y - y) for s in scene.shapes]
        away[reference] = math.inf
        return _clear_first(away, MARGIN * scene.size) if len(away) > 1 else None

    return _attribute_by_relation(scene, rng, phrase, target_of)


def _same(scene: Scene, rng: np.random.Generator) -> _Draft | None:
    wording = _pick(rng, ("same", "another", "count same"))
    attribute = _pick(rng, tuple(VALUES))
    # one kind of name for all drafts: a name by a unique property would reveal that nothing else has it
    kinds = (_OTHER[attribute], "place") if wording == "same" else (_OTHER[attribute], "place", "both")
    names = _named(scene, _pick(rng, kinds))
    values, word = [getattr(s, attribute) for s in scene.shapes], _WORD[attribute]
    drafts = []
    for i, name in names.items():
        alike = tuple(j for j, value in enumerate(values) if j != i and value == values[i])
        if wording == "same":
            drafts += [
                _Draft(wording, (word, name, names[j]), _yes_no(j in alike), (i, j), True) for j in names if j != i
            ]
        else:
            answer = str(len(alike)) if wording == "count same" else _yes_no(alike)
            drafts.append(_Draft(wording, (word, name), answer, (i, *alike), True))
    return _balanced(rng, drafts)


_FAMILIES: dict[str, Callable[[Scene, np.random.Generator], _Draft | None]] = {
    "colour": lambda scene, rng: _attribute(scene, rng, "colour", _named(scene, "shape").items(), False),
    "shape": lambda scene, rng: _attribute(scene, rng, "shape", _named(scene, "colour").items(), False),
    "position": _position,
    "count": _count,
    "exist": _exist,
    "spatial": _spatial,
    "nearest": _nearest,
    "same": _same,
}
FAMILIES = tuple(_FAMILIES)


def make_questions(scene: Scene, seed: Seed, n: int = 8) -> list[WorldQuestion]:
    """`n` different questions about the scene, the families taken in turn, in an order drawn from `seed`.

    A family that has no unambiguous question about the scene passes its turn to the next one. Raises `InputError` if
    `n` is not in 1..32, or the scene has not so many different questions.
    """
    if not 1 <= n <= MAX_QUESTIONS:
        raise InputError(f"A scene has 1 to {MAX_QUESTIONS} questions, not {n}; choose a number in this range.")
    rng = random_stream(seed, 1)
    questions: dict[tuple[str, tuple[str, ...]], WorldQuestion] = {}  # by wording and its args
    for _ in range(20 * MAX_QUESTIONS):
        for turn in rng.permutation(len(FAMILIES)):
            family = FAMILIES[turn]
            # several tries, as a template drawn within the family may not suit the scene
            tries = (_FAMILIES[family](scene, rng) for _ in range(4))
            if draft := next((d for d in tries if d and d[:2] not in questions), None):
                text = _pick(rng, _WORDINGS[draft.wording]).format(*draft.args)
                questions[draft[:2]] = WorldQuestion(text, draft.answer, family, draft.relational, draft.asked)
            if len(questions) == n:
                return list(questions.values())
    raise InputError(f"The scene has only {len(questions)} different questions, not {n}; choose fewer.")
