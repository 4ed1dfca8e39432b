"""Answers to the questions about a world's scene, from the words of the question and the places of the shapes alone."""

import math
import re

from vqa.data.world_scene import COLOURS, SHAPES, Scene, Shape

NAME = (
    rf"(?:(?:{'|'.join(COLOURS)}) object|(?:(?:{'|'.join(COLOURS)}) )?(?:{'|'.join(SHAPES)})"
    r"|(?:leftmost|rightmost|highest|lowest) object)"
)
RELATION = "(?:left of|right of|above|below|nearest to|closest to|furthest from|farthest from)"
THING = rf"the ((?:object {RELATION} the )?{NAME})"
FORMS = {
    "attribute": rf"(?:What|Which) (color|shape) (?:is|does) {THING}(?: have)?\?",
    "attribute of": rf"What is the (color|shape) of {THING}\?",
    "same": rf"(?:Are {THING} and {THING} the same (color|shape)"
    rf"|Is {THING} the same (color|shape) as {THING})\?",
    "another": rf"Is (?:another|any other) object the same (color|shape) as {THING}\?",
    "other": rf"How many other objects are the same (color|shape) as {THING}\?",
    "count": r"How many (\w+(?: objects)?) (?:are there|are in the picture|do you see)\?",
    "exist": r"(?:Is there|Can you see) an? (.+?)(?: in the picture)?\?",
    "half": rf"Is the ({NAME}) (?:on|in|at) the (?:left|top) or (?:.. the )?(?:right|bottom)(?: half)?\?",
    "in half": rf"Is the ({NAME}) (?:on|at) the (left|right|top|bottom)(?: of the picture)?\?",
    "x": rf"Is {THING} (?:to the )?left or (?:to the )?right of {THING}\?",
    "y": rf"(?:Is|Does) {THING} (?:lie )?above or below {THING}\?",
    "lies": rf"(?:Is|Does) {THING} (?:lie )?(left of|right of|above|below) {THING}\?",
}


def side(a: Shape, b: Shape, direction: str) -> bool:
    """Whether the centre of a lies in that direction from the centre of b."""
    axis = "y" if direction in ("above", "below") else "x"
    return (getattr(a, axis) < getattr(b, axis)) == (direction in ("above", "left of"))


def is_clear(a: Shape, b: Shape, direction: str) -> bool:
    """Whether their edges on either side tell the same as their centres."""
    ahead = abs(a.y - b.y) if direction in ("above", "below") else abs(a.x - b.x)
    return ahead > abs(a.size - b.size) / 2


def fits(shape: Shape, words: str) -> bool:
    return all(word in (shape.colour, shape.shape, "object") for word in words.split())


def find(scene: Scene, name: str) -> Shape:
    """The one shape that the name means."""
    places = {"leftmost": "left of", "rightmost": "right of", "highest": "above", "lowest": "below"}
    relation = re.fullmatch(rf"object ({RELATION}) the (.+)", name)
    if relation:
        phrase, reference = relation[1], find(scene, relation[2])
        rest = [s for s in scene.shapes if s is not reference]
        if phrase in places.values():
            found = [s for s in rest if side(s, reference, phrase)]
            assert all(is_clear(s, reference, phrase) for s in rest)
        else:
            away = sorted(rest, key=lambda s: math.dist((s.x, s.y), (reference.x, reference.y)))
            found = [away[0] if phrase in ("nearest to", "closest to") else away[-1]]
    elif name.split()[0] in places:
        direction = places[name.split()[0]]
        found = [s for s in scene.shapes if all(s is o or side(s, o, direction) for o in scene.shapes)]
        assert all(s is found[0] or is_clear(s, found[0], direction) for s in scene.shapes)
    else:
        found = [s for s in scene.shapes if fits(s, name)]
    assert len(found) == 1, f"{name} means {len(found)} shapes"
    return found[0]


def halves(scene: Scene, shape: Shape, low: str, high: str) -> str:
    middle = shape.x if low == "left" else shape.y
    assert abs(middle - scene.size / 2) >= shape.size / 2, "neither half"
    return low if middle < scene.size / 2 else high


def oracle(scene: Scene, question: str) -> tuple[str, set[Shape]]:
    """The answer, and the shapes that carry it."""
    matches = {form: match for form, pattern in FORMS.items() if (match := re.fullmatch(pattern, question))}
    assert len(matches) == 1, f"{question} has the forms {list(matches)}"
    form, match = matches.popitem()
    got = [group for group in match.groups() if group]
    yes_no = {True: "yes", False: "no"}
    if form in ("attribute", "attribute of"):
        thing = find(scene, got[1])
        return {"color": thing.colour, "shape": thing.shape}[got[0]], {thing}
    if form in ("same", "another", "other"):
        kind = "colour" if "color" in got else "shape"
        things = [find(scene, name) for name in got if name not in ("color", "shape")]
        if form == "same":
            assert things[0] is not things[1]
            return yes_no[getattr(things[0], kind) == getattr(things[1], kind)], set(things)
        alike = {s for s in scene.shapes if getattr(s, kind) == getattr(things[0], kind)}
        return (yes_no[len(alike) > 1] if form == "another" else str(len(alike) - 1)), alike
    if form in ("count", "exist"):
        words = re.sub(r"objects$", "object", got[0])
        words = re.sub(r"(circle|square|triangle|cross)(e?s)$", r"\1", words)
        alike = {s for s in scene.shapes if fits(s, words)}
        return (str(len(alike)) if form == "count" else yes_no[bool(alike)]), alike
    thing = find(scene, got[0])
    if form in ("half", "in half"):
        pair = ("left", "right") if re.search(r"\b(left|right)\b", question) else ("top", "bottom")
        half = halves(scene, thing, *pair)
        return (half if form == "half" else yes_no[half == got[1]]), {thing}
    reference = find(scene, got[-1])
    assert thing is not reference
    low, high = ("above", "below") if form == "y" else ("left of", "right of")
    assert is_clear(thing, reference, got[1] if form == "lies" else low)
    if form == "lies":
        return yes_no[side(thing, reference, got[1])], {thing, reference}
    return (low if side(thing, reference, low) else high).removesuffix(" of"), {thing, reference}
