import json
from collections import Counter
from pathlib import Path

import pytest

from vqa.data.kinds import GROUPS, KINDS, Kind, named_kinds


def test_there_are_80_kinds_in_12_groups(shared: Path) -> None:
    assert len(KINDS) == 80 and len(GROUPS) == 12
    rows = lines(shared / "data/coco/boxes_val.jsonl")
    assert {entry[0] for row in rows for entry in row["objects"]} <= KINDS.keys()


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("What color is the cat?", {"cat"}),
        ("Is the man holding a hot  dog?", {"person", "hot dog"}),  # and no dog
        ("How many teddy bears are there?", {"teddy bear"}),
        ("What color is the bear?", {"bear", "teddy bear"}),
        ("Is there a baseball bat near the sofa?", {"baseball bat", "couch"}),
        ("WHERE ARE THE AEROPLANES?", {"airplane"}),
        ("Who owns this bike?", {"bicycle", "motorcycle"}),
        ("What fruit is on the plate?", {"banana", "apple", "orange"}),
        ("What is on the computer screen?", {"laptop", "tv"}),
        ("Is the t.v. on?", {"tv"}),
        ("Is the man's tie striped?", {"person", "tie"}),
        ("Where is the baby elephant?", {"elephant"}),  # and no person
        ("Is the baby near the elephant?", {"person", "elephant"}),
        ("Is this couple married?", {"person"}),
        ("Do you see a couple of birds?", {"bird"}),
        ("How many train cars are there?", {"train"}),
        ("Is the cat on the mouse pad?", {"cat"}),
        ("Are they playing table tennis?", set()),
        ("Is the train station old?", set()),
        ("Is it 2 o'clock?", set()),
        ("Is this a skate park?", set()),
        ("What is in the glass?", set()),
        ("Is this concatenated?", set()),  # whole words only
        ("Are the oranges ripe?", {"orange"}),
        ("Is there an orange in the picture?", {"orange"}),
        ("Is an orange to the left of the apple?", {"orange", "apple"}),
        ("Is her dress orange?", set()),  # a colour
        ("Is this an orange shirt?", set()),
        ("Is the orange and white cat asleep?", {"cat"}),
    ],
)
def test_questions_name_kinds(text: str, kinds: set[str]) -> None:
    assert named_kinds(text) == kinds


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_is_named_by_all_of_its_words(kind: Kind) -> None:
    for word in (kind.name, kind.plural, *kind.synonyms):
        article = "an" if word[0] in "aeiou" else "a"
        assert kind.name in named_kinds(f"Is there {article} {word} in this photo?"), word


def test_animals_name_the_whole_group() -> None:
    animals = {kind.name for kind in KINDS.values() if kind.group == "animal"}
    assert named_kinds("what animals are these?") == animals and len(animals) == 10


def test_named_kinds_are_on_the_photos(shared: Path) -> None:
    """People mostly ask about what is there; they would not if the words had other meanings."""
    folder = shared / "data/coco"
    photos = {row["image"]: {entry[0] for entry in row["objects"]} for row in lines(folder / "boxes_val.jsonl")}
    count = Counter(
        bool(kinds & photos[row["image"]])
        for row in lines(folder / "questions_val.jsonl")
        if row["image"] in photos and (kinds := named_kinds(row["question"]))
    )
    assert count[True] > 0.85 * count.total() and count.total() > 1_500


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
