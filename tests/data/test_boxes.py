import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.refusal import refusal
from vqa.data.boxes import Box, Objects, asked_boxes, cells, read_boxes


def test_reading(tmp_path: Path) -> None:
    rows = [
        {"image": "a.webp", "objects": [["cat", 0.1, 0.2, 0.3, 0.4]], "crowd": ["person"]},
        {"image": "folder/b.webp", "objects": [], "aligned": False},
    ]
    path = tmp_path / "boxes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    boxes = read_boxes(path)
    assert boxes == {
        "a.webp": Objects((Box("cat", 0.1, 0.2, 0.3, 0.4),), frozenset({"person"})),
        "b.webp": Objects(aligned=False),
    }
    assert boxes["a.webp"].kinds == {"cat", "person"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"image": "a.webp"}, "has no 'objects'"),
        ({"objects": []}, "has no 'image'"),
        ([], "indices"),
        ({"image": 3, "objects": []}, "int"),
        ({"image": "a", "objects": [["unicorn", 0, 0, 1, 1]]}, "'unicorn' is not one of COCO's kinds"),
        ({"image": "a", "objects": [], "crowd": ["unicorn"]}, "'unicorn' is not one of COCO's kinds"),
        ({"image": "a", "objects": [["cat", 0, 0, 2, 1]]}, "outside 0 to 1"),
        ({"image": "a", "objects": [["cat", 0, 0, float("nan"), 1]]}, "outside 0 to 1"),
        ({"image": "a", "objects": [["cat", 0, 0, 1]]}, "['cat', 0, 0, 1] is not [kind, x, y, width, height]"),
        ({"image": "a", "objects": [["cat", 0, 0, "wide", 1]]}, "wide"),
        ({"image": "a", "objects": 3}, "not iterable"),
    ],
)
def test_a_line_of_another_form_is_reported(tmp_path: Path, row: object, reason: str) -> None:
    path = tmp_path / "boxes.jsonl"
    path.write_text('{"image": "ok.webp", "objects": []}\n' + json.dumps(row) + "\n")
    message = refusal(read_boxes, path)
    assert message.startswith(f"Line 2 of {path} ") and reason in message


SHARES, CELLS = st.floats(0, 1), st.integers(1, 14)


@given(SHARES, SHARES, st.tuples(SHARES, SHARES), CELLS, CELLS, st.sampled_from([0.0, 0.5]))
def test_cells_by_a_loop(x: float, y: float, size: tuple[float, float], height: int, width: int, grown: float) -> None:
    box = Box("cat", x * (1 - size[0]), y * (1 - size[1]), *size)
    centre = min(int(box.centre[1] * height), height - 1), min(int(box.centre[0] * width), width - 1)
    expected = []
    for row in range(height):
        for column in range(width):
            inside = (
                box.x - grown / width <= (column + 0.5) / width <= box.x + box.width + grown / width
                and box.y - grown / height <= (row + 0.5) / height <= box.y + box.height + grown / height
            )
            expected.append(inside or (row, column) == centre)
    covered = cells([box], height, width, grown)
    assert covered.tolist() == expected
    other = Box("dog", 0.0, 0.0, 0.1, 0.1)
    assert (cells([box, other], height, width, grown) == (covered | cells([other], height, width, grown))).all()
    assert not cells([], height, width, grown).any()


def test_boxes_of_the_asked_kinds() -> None:
    cat, dog = Box("cat", 0, 0, 1, 1), Box("dog", 0, 0, 0.5, 0.5)
    objects = {"a.webp": Objects((cat, dog)), "b.webp": Objects((cat,), aligned=False)}
    assert asked_boxes(objects, "folder/a.webp", {"cat", "cow"}) == (cat,)
    assert asked_boxes(objects, "b.webp", {"cat"}) == asked_boxes(objects, "c.webp", {"cat"}) == ()


def test_real_boxes(shared: Path) -> None:
    boxes = read_boxes(shared / "data/coco/boxes_val.jsonl")
    assert len(boxes) == 1000
    assert sum(len(objects.boxes) for objects in boxes.values()) > 5_000
