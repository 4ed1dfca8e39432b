from pathlib import Path

from ui import STATIC
from ui.stage.examples import GENERAL, examples
from vqa.checkpoint.load import load_checkpoint
from vqa.model.photos import open_photo

MODEL = Path(__file__).resolve().parents[3] / "assets" / "model"


def test_every_photo_opens_and_has_questions():
    found = examples()
    sources = (STATIC / "examples" / "SOURCES.md").read_text(encoding="utf-8")
    assert {example.photo for example in found} == set((STATIC / "examples").glob("*.webp"))
    assert len({example.name for example in found}) == len(found) == 6
    for example in found:
        assert f"`{example.photo.name}`" in sources
        assert min(open_photo(example.photo).size) >= 200, example.photo
        assert len(set(example.questions)) == len(example.questions) >= 3
        assert all(question.endswith("?") for question in example.questions)


def test_the_model_knows_every_word():
    _, processor = load_checkpoint(MODEL)
    questions = [*GENERAL, *(question for _, _, asked in examples() for question in asked)]
    for question in questions:
        words, unknown = processor.words(question)
        assert len(words) >= 3 and unknown == [], question
    assert processor.words("what zyzzyva?")[1] == ["zyzzyva"]  # it would be reported
