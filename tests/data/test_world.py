import json
import math
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.data.world_oracle import oracle
from vqa.data import world
from vqa.data.readers import drop_missing_photos, read_examples
from vqa.data.world import generate, main, write_world
from vqa.data.world_questions import FAMILIES, MAX_QUESTIONS, WorldQuestion, make_questions
from vqa.data.world_scene import COLOURS, PAINT, SHAPES, Scene, Shape, draw, make_scene
from vqa.model.errors import InputError
from vqa.model.photos import open_photo

Asked = list[tuple[Scene, WorldQuestion]]
WHITE = (255, 255, 255)


def asked(scenes: int, seed: int) -> Asked:
    pairs = ((make_scene((seed, i)), (seed, i)) for i in range(scenes))
    return [(scene, question) for scene, seed in pairs for question in make_questions(scene, seed)]


@pytest.fixture(scope="module")
def train() -> Asked:
    return asked(800, seed=1)


@pytest.fixture(scope="module")
def other() -> Asked:
    return asked(300, seed=2)


def test_every_answer_agrees_with_the_oracle(train: Asked, other: Asked) -> None:
    for scene, q in other + train[:5000]:
        answer, carriers = oracle(scene, q.question)
        assert q.answer == answer, q
        assert {scene.shapes[i] for i in q.asked} == carriers, q


def test_families_words_and_relations(train: Asked) -> None:
    assert set(FAMILIES) == {"colour", "shape", "position", "count", "exist", "spatial", "nearest", "same"}
    count = Counter(q.family for _, q in train)
    assert set(count) == set(FAMILIES) and min(count.values()) > 0.6 * max(count.values())
    for _, q in train:
        related = re.search(
            r"most |est |left of|right of|above|below|lie |nearest|closest|f.rthest|same|other", q.question
        )
        in_half = re.search(r"(left|right|top|bottom) of the picture|or on the right|or at the bottom|half", q.question)
        assert q.relational == bool(related and not in_half), q
    assert len({q.question for _, q in train}) > 1500


def chance(q: WorldQuestion) -> float:
    """Accuracy of guessing among the answers that a question of this form can have."""
    if q.answer.isdigit():  # three to eight objects; else a scene offers two counts at least
        return 1 / 6 if " objects " in q.question and q.question.split()[2] == "objects" else 1 / 2
    answers: Sequence[Sequence[str]] = (COLOURS, SHAPES, ("yes", "no"), ("left", "right"), ("top", "bottom"))
    return 1 / next((len(group) for group in answers if q.answer in group), 2)


def beginnings(question: str) -> list[str]:
    words = question.split()
    return [" ".join(words[:end]) for end in range(len(words) + 1)]


def outlines(question: str) -> list[str]:
    """The question without, then with its shapes and colours."""
    shapeless = re.sub("|".join(SHAPES), "SHAPE", question)
    return ["", re.sub("|".join(COLOURS), "COLOUR", shapeless), shapeless, question]


@pytest.mark.parametrize("keys", [beginnings, outlines])
def test_question_alone_does_not_reveal_the_answer(
    keys: Callable[[str], list[str]], train: Asked, other: Asked
) -> None:
    """A blind guess, the most common training answer to the longest key with ten occurrences, is close to chance."""
    count: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for _, q in train:
        for key in keys(q.question):
            count[q.family, key][q.answer] += 1
    right, guess = defaultdict(list), defaultdict(list)
    for _, q in other:
        answers = [count[q.family, key] for key in keys(q.question) if count[q.family, key].total() >= 10][-1]
        right[q.family].append(answers.most_common(1)[0][0] == q.answer)
        guess[q.family].append(chance(q))
    for family in FAMILIES:
        assert np.mean(right[family]) < np.mean(guess[family]) + 0.06, family


def test_named_colour_or_shape_does_not_reveal_the_one_asked_for(train: Asked) -> None:
    for values in (COLOURS, SHAPES):
        words = [(q.answer, set(re.findall(r"\w+", q.question))) for _, q in train if q.answer in values]
        named = [answer in question for answer, question in words if question & set(values)]
        assert len(named) > 200
        assert 0.02 < np.mean(named) < 1 / len(values) + 0.02


def test_every_scene_has_32_questions() -> None:
    for i in range(40):  # some of them have only three shapes
        questions = make_questions(make_scene((3, i)), (3, i), MAX_QUESTIONS)
        assert len({q.question for q in questions}) == MAX_QUESTIONS


DIGEST = """
import hashlib
from vqa.data.world import generate
value = hashlib.sha256()
for scene, image, questions in generate(5, 7, size=48):
    value.update(repr((scene, questions)).encode() + image.tobytes())
print(value.hexdigest())
"""


def test_seed_gives_the_same_bytes_in_every_process(capsys: pytest.CaptureFixture[str]) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    exec(DIGEST)
    assert done.stdout == capsys.readouterr().out


def test_scene_depends_neither_on_the_others_nor_on_its_questions() -> None:
    run = list(generate(6, 9))
    for i in (5, 0, 3):
        scene, image, questions = next(generate(1, 9, start=i))
        assert scene == run[i][0] and questions == run[i][2] and np.array_equal(image, run[i][1])
    assert [scene for scene, _, _ in generate(6, 9, questions_per_scene=1)] == [scene for scene, _, _ in run]
    assert len({scene for scene, _, _ in run} | {scene for scene, _, _ in generate(6, 10)}) == 12


AREA = {"circle": math.pi, "square": 4, "triangle": 2, "cross": 20 / 9}  # by the square of half the width


@pytest.mark.parametrize("size", [32, 64, 200])
def test_box_holds_every_pixel_of_its_shape_and_little_more(size: int) -> None:
    for i in range(12):
        scene = make_scene((5, i), size)
        assert 3 <= len(scene.shapes) <= 8
        together = draw(scene)
        outside = np.ones((size, size), bool)
        for shape in scene.shapes:
            alone = draw(Scene(size, scene.background, (shape,)))
            rows, columns = np.nonzero((alone != scene.background).any(-1))
            x0, y0, x1, y1 = shape.box
            outside[y0:y1, x0:x1] = False
            assert 0 <= x0 < x1 <= size and 0 <= y0 < y1 <= size
            assert x0 <= columns.min() <= x0 + 1 and x1 - 2 <= columns.max() < x1
            assert y0 <= rows.min() <= y0 + (2 if shape.shape == "triangle" else 1) and y1 - 2 <= rows.max() < y1
            assert np.array_equal(together[y0:y1, x0:x1], alone[y0:y1, x0:x1])  # no other shape touches the box
            assert size < 64 or tuple(together[int(shape.y), int(shape.x)]) == shape.rgb
            assert np.abs(np.subtract(shape.rgb, PAINT[shape.colour])).max() <= 14
            full = np.abs(np.subtract(shape.rgb, scene.background)).sum()
            ink = np.abs(alone.astype(int) - scene.background).sum() / full
            assert ink == pytest.approx(AREA[shape.shape] * (shape.size / 2) ** 2, rel=0.15, abs=1)
        assert (together[outside] == scene.background).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: make_scene(0, 5000),
        lambda: make_scene((0, 2**32)),
        lambda: make_questions(make_scene(0), 0, 0),
        lambda: make_questions(Scene(64, WHITE, ()), 0),
        lambda: Scene(64, WHITE, (Shape("star", "red", WHITE, 9, 20, 20),)),
        lambda: Scene(64, WHITE, (Shape("circle", "red", WHITE, 9, 2, 20),)),
    ],
)
def test_invalid_settings_are_reported_in_one_sentence(wrong: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=r"^[A-Z][^\n]*; [a-z][^\n]*\.$"):
        wrong()


def test_world_on_disk(tmp_path: Path) -> None:
    done: list[int] = []
    path = write_world(tmp_path / "a/world", 4, seed=6, questions_per_scene=5, workers=1, progress=done.append)
    assert done == [4]
    folder = path.parent
    examples = read_examples(path, images=folder / "photos")
    assert drop_missing_photos(examples) == (examples, 0)
    scenes = json.loads((folder / "scenes.json").read_text())
    expected = list(generate(4, 6, 5))
    assert [(e.question, e.answer, e.question_type, e.source) for e in examples] == [
        (q.question, q.answer, q.family, "world-relational" if q.relational else "world-plain")
        for _, _, questions in expected
        for q in questions
    ]
    entries = [entry for scene in scenes for entry in scene["questions"]]
    assert [entry["question_id"] for entry in entries] == [e.question_id for e in examples]
    assert len({e.question_id for e in examples}) == 20
    for (scene, image, questions), written in zip(expected, scenes, strict=True):
        assert np.array_equal(np.asarray(open_photo(folder / "photos" / written["image"])), image)
        assert [tuple(s["box"]) for s in written["shapes"]] == [s.box for s in scene.shapes]
        assert [s["colour"] for s in written["shapes"]] == [s.colour for s in scene.shapes]
        assert [(tuple(e["asked"]), e["relational"]) for e in written["questions"]] == [
            (q.asked, q.relational) for q in questions
        ]


def test_workers_write_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "CHUNK", 3)
    for workers in (1, 2):
        write_world(tmp_path / str(workers), 8, seed=0, questions_per_scene=1, workers=workers, size=32)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / w).rglob("*.*")} for w in "12")
    assert one == two and len(one) == 10


def test_world_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        assert any(tmp_path.iterdir())  # written beside its place
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_world(tmp_path / "world", 2, seed=0, workers=1, progress=stop)
    assert not any(tmp_path.iterdir())
    (tmp_path / "world").mkdir()  # an empty folder may be filled
    write_world(tmp_path / "world", 1, seed=0, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def test_command_reports_errors_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/thing").touch()
    (tmp_path / "file").touch()
    for arguments, message in (
        ("taken --scenes 2", "taken is already there and not an empty folder; name a new one."),
        ("file/world --scenes 2", "is not a writable folder"),
        ("new --scenes 0", "A world has 0 scenes"),
        ("new --workers 0", "by 0 workers"),
        ("new --seed -1", "The seed is (-1, 0)"),
        ("new --size 31", "pixels wide, not 31"),
        ("new --questions 33", "1 to 32 questions, not 33"),
    ):
        assert main(arguments.split()) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]


def test_command_writes_a_world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "world"), "--scenes", "3", "--seed", "4", "--workers", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.endswith("3 of 3 scenes\n")
    assert len(read_examples(tmp_path / "world/questions.jsonl")) == 24
