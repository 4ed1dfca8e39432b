"""The pipeline takes what that of transformers 4 took, and answers as `VQA` does."""

import base64
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import pipeline

from vqa import VQA, VQAPipeline
from vqa.model.errors import InputError

QUESTIONS = ["what is on the table?", "how many dogs are there?", "what color is the cat?"]


@pytest.fixture(scope="module")
def pipe(tiny_checkpoint: Path) -> VQAPipeline:
    return pipeline(model=str(tiny_checkpoint), pipeline_class=VQAPipeline, trust_remote_code=True, device="cpu")


@pytest.fixture(scope="module")
def vqa(tiny_checkpoint: Path) -> VQA:
    return VQA.load(tiny_checkpoint, "cpu", "float32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (60, 80 + number, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def expected(vqa: VQA, photo: Path, question: str, top: int = 5) -> list[dict]:
    return [{"score": pytest.approx(s, abs=1e-5), "answer": a} for a, s in vqa.ask(photo, question, top).top]


def test_one_question_in_every_form(pipe: VQAPipeline, vqa: VQA, photos: list[Path]) -> None:
    answer = expected(vqa, photos[0], QUESTIONS[0])
    assert len(answer) == 5
    assert pipe(image=photos[0], question=QUESTIONS[0]) == answer
    assert pipe(photos[0], QUESTIONS[0]) == answer
    assert pipe({"image": photos[0], "question": QUESTIONS[0]}) == answer
    assert pipe(photos[0], QUESTIONS[0], top_k=2) == answer[:2]
    assert pipe(photos[0], QUESTIONS[0], top_k=99) == answer  # it has no more
    content, picture = photos[0].read_bytes(), Image.open(photos[0])
    in_its_address = "data:image/png;base64," + base64.b64encode(content).decode()
    for image in (str(photos[0]), content, picture, np.asarray(picture), in_its_address):
        assert pipe(image=image, question=QUESTIONS[0]) == answer


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_many_questions(pipe: VQAPipeline, vqa: VQA, photos: list[Path], batch_size: int) -> None:
    pairs = [{"image": photo, "question": question} for question in QUESTIONS for photo in photos]
    answers = [expected(vqa, pair["image"], pair["question"]) for pair in pairs]
    assert pipe(pairs, batch_size=batch_size) == answers
    assert pipe(image=photos, question=QUESTIONS, batch_size=batch_size) == answers
    assert list(pipe((pair for pair in pairs), batch_size=batch_size)) == answers
    assert pipe(image=photos, question=QUESTIONS[0], batch_size=batch_size) == answers[:2]
    assert pipe(image=photos[0], question=QUESTIONS, batch_size=batch_size) == answers[::2]


def test_the_maps_of_where_it_looked(pipe: VQAPipeline, vqa: VQA, photos: list[Path]) -> None:
    answers = pipe(photos[0], QUESTIONS[0], attention=True, top_k=2)
    maps = vqa.ask(photos[0], QUESTIONS[0]).attention
    for answer in json.loads(json.dumps(answers)):
        np.testing.assert_allclose(answer["attention"], maps, atol=1e-6)
        assert np.sum(answer["attention"], axis=(1, 2)) == pytest.approx(1)
    assert "attention" not in pipe(photos[0], QUESTIONS[0])[0]


def test_16_bits_answer_alike(tiny_checkpoint: Path, vqa: VQA, photos: list[Path]) -> None:
    options = {"pipeline_class": VQAPipeline, "trust_remote_code": True, "device": "cpu"}
    pipe = pipeline(model=str(tiny_checkpoint), dtype=torch.bfloat16, **options)
    assert pipe.model.dtype == torch.bfloat16
    found = pipe(photos[0], QUESTIONS[0], top_k=1)[0]
    scores = {score.answer: score.score for score in vqa.ask(photos[0], QUESTIONS[0]).top}
    assert found["score"] == pytest.approx(scores[found["answer"]], abs=0.02)


@pytest.fixture
def address(photos: list[Path]) -> Iterator[str]:
    """Where the photos are served."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(photos[0].parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_image_at_an_address(pipe: VQAPipeline, vqa: VQA, photos: list[Path], address: str) -> None:
    assert pipe(image=f"{address}/0.png", question=QUESTIONS[0], timeout=10) == expected(vqa, photos[0], QUESTIONS[0])
    with pytest.raises(InputError, match="There is no image at http"):
        pipe(image=f"{address}/missing.png", question=QUESTIONS[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": "missing.png", "question": "what?"}, "There is no photo missing.png"),
        ({"image": "PHOTO", "question": ""}, "The question is empty"),
        ({"image": "PHOTO", "question": "xyzzy plugh"}, "knows none of the words in 'xyzzy plugh'"),
        ({"image": "PHOTO", "question": 7}, "A question is text, not int"),
        ({"image": "PHOTO"}, "takes image=… and question=…"),
        ({"image": {"image": "PHOTO"}}, "takes image=… and question=…"),
        ({"image": "PHOTO", "question": "what?", "top_k": 0}, "top_k, is 0; ask for at least 1"),
    ],
)
def test_what_cannot_be_asked_is_reported(pipe: VQAPipeline, photos: list[Path], arguments: dict, message: str) -> None:
    image = photos[0] if arguments["image"] == "PHOTO" else arguments["image"]
    with pytest.raises(InputError, match=message):
        pipe(**arguments | {"image": image})


def test_it_says_the_same_of_real_photos(shared: Path) -> None:
    """On a few here; `python -m tools.same_answers` asks as many as one likes."""
    from tools.same_answers import same_answers
    from vqa.data.readers import read_examples

    data = shared / "data" / "coco"
    examples = read_examples(data / "questions_val.jsonl")[:6]
    assert same_answers(examples, data / "photos") == {"pipeline": 6}
