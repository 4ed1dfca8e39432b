import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator
from PIL import Image

import vqa
from tests.data.refusal import refusal
from vqa.model import photos
from vqa.model.processing import VQAProcessor
from vqa.model.text import GUESS
from vqa.predict import CACHED_PHOTOS, VQA, best_of, divergence, softmax

QUESTION = "what is on the table?"
SCHEMA = json.loads((Path(vqa.__file__).parent / "schemas" / "answer.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model(tiny_checkpoint) -> VQA:
    return VQA.load(tiny_checkpoint, device="cpu", dtype="float32")


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8))


@pytest.fixture
def encoded(model, monkeypatch) -> list[int]:
    """The CNN's runs during the test: the number of photos of each."""
    runs: list[int] = []
    encode = model.encode_squares

    def count(squares):
        runs.append(len(squares))
        return encode(squares)

    monkeypatch.setattr(model, "encode_squares", count)
    model._looks.clear()
    return runs


def test_an_answer_is_what_the_model_computes(model, photo):
    """Against the processor and the model called by hand."""
    answer = model.ask(photo, "what color is the cat?", top=3)
    inputs = VQAProcessor.from_pretrained(model.folder)(images=photo, text="what color is the cat?")
    with torch.no_grad():
        output = model.model(**inputs, falls=True)
        blind = model.model.blind_logits(output.question).softmax(-1)[0]
    probabilities = output.logits.softmax(-1)[0]
    order = probabilities.argsort(descending=True)[:3]
    assert [score.answer for score in answer.top] == [model.config.id2label[int(i)] for i in order]
    assert [score.score for score in answer.top] == pytest.approx(probabilities[order].tolist(), abs=1e-6)
    assert (answer.text, answer.confidence) == answer.top[0]
    assert answer.blind == (model.config.id2label[int(blind.argmax())], pytest.approx(float(blind.max()), abs=1e-6))
    assert answer.attention == pytest.approx(output.attention[0].numpy(), abs=1e-6)
    assert [word.word for word in answer.words] == ["what", "color", "is", "the", "cat"]
    assert [word.weight for word in answer.words] == pytest.approx(output.word_weights[0].tolist(), abs=1e-6)
    falls = output.falls[0]
    assert answer.unknown_words == [] and answer.glimpse == int(falls.argmax()) and falls[0] != falls[1]
    expected = entropy((probabilities + blind) / 2) - (entropy(probabilities) + entropy(blind)) / 2
    assert answer.photo_mattered == pytest.approx(expected, abs=1e-5)


def entropy(p: torch.Tensor) -> float:
    """In bits."""
    return -sum(float(x) * np.log2(float(x)) for x in p)


def test_the_best_answers_are_the_first_of_equal_ones():
    scores = np.random.default_rng(0).integers(0, 4, (20, 25)).astype(np.float32)
    for top in (1, 3, 9, 20, 30):
        assert np.array_equal(best_of(scores, top), np.argsort(-scores, axis=-1, kind="stable")[:, :top])
    assert best_of(scores[:, :2], 3).shape == (20, 2)


def test_the_divergence_runs_from_0_to_1():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0])
    found = divergence(np.stack((p, p, p)), np.stack((p, q, (p + q) / 2)))
    # of the last: the mean is (3/8, 3/8, 1/4)
    last = -0.75 * np.log2(3 / 8) - 0.25 * np.log2(1 / 4) - (1 + 1.5) / 2
    assert found == pytest.approx([0, 1, last])


def test_an_answer_is_sure_by_the_threshold_of_its_kind(model, photo, monkeypatch):
    answer = model.ask(photo, QUESTION)
    kind = {"yes": "yes/no", "no": "yes/no", "2": "number"}.get(answer.text, "other")
    assert answer.sure == (answer.confidence >= 1 / 3)
    others = dict.fromkeys({"yes/no", "number", "other"} - {kind}, 1 - float(answer.sure))
    for least, sure in ((answer.confidence, True), (answer.confidence + 1e-6, False)):
        monkeypatch.setattr(model.config, "sure", {kind: least})
        assert model.ask(photo, QUESTION).sure is sure
    monkeypatch.setattr(model.config, "sure", others)  # which do not concern it
    assert model.ask(photo, QUESTION).sure == answer.sure


def test_an_answer_is_a_guess_where_the_photo_hardly_mattered(model, photo):
    answer = model.ask(photo, QUESTION)
    for mattered, guess in ((GUESS, False), (GUESS - 1e-6, True), (None, False)):
        assert replace(answer, photo_mattered=mattered).guess is guess
    foreign = replace(answer, blind=None, photo_mattered=None, glimpse=None).to_dict()
    Draft202012Validator(SCHEMA).validate(foreign)


def test_temperature_makes_it_less_sure_and_keeps_the_order(model, photo, monkeypatch):
    sure = model.ask(photo, QUESTION)
    monkeypatch.setattr(model.config, "temperature", 4.0)
    monkeypatch.setattr(model.config, "blind_temperature", 4.0)
    unsure = model.ask(photo, QUESTION)
    assert unsure.confidence < sure.confidence and unsure.blind.score < sure.blind.score
    assert [score.answer for score in unsure.top] == [score.answer for score in sure.top]
    ratios = [np.log(a.top[0].score / a.top[1].score) for a in (sure, unsure)]
    assert ratios[0] / ratios[1] == pytest.approx(4, rel=1e-2)


def test_yes_and_no_may_have_a_temperature_of_their_own(model, monkeypatch):
    logits = np.array([[5.0, 1.0, 0.5, 0.2, 0.0], [0.0, 1.0, 2.0, 0.2, 0.0]], dtype=np.float32)
    assert model.answers[:3] == ["yes", "no", "2"]
    monkeypatch.setattr(model.config, "temperature", 4.0)
    assert model.calibrated(logits) == pytest.approx(softmax(logits / 4))
    monkeypatch.setattr(model.config, "yes_no_temperature", 0.5)
    yes, two = softmax(2 * logits[0]), softmax(logits[1] / 4)
    assert model.calibrated(logits) == pytest.approx(np.stack((yes, two)))
    assert model.calibrated(logits[1]) == pytest.approx(two)


def test_scores_that_are_undefined_are_refused(model):
    for damage in (np.nan, np.inf):
        assert "undefined or infinite scores" in refusal(model.calibrated, np.array([[0.0, damage]], np.float32))


def test_the_json_object_keeps_its_schema(model, photo):
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    content = json.loads(json.dumps(model.ask(photo, "what zebra is on the table?").to_dict()))
    validator.validate(content)
    assert content["unknown_words"] == ["zebra"]
    attention = content["attention"]
    assert (attention["height"], attention["width"]) == (8, 8)
    assert [len(weights) for weights in attention["maps"]] == [64, 64]
    assert [sum(weights) for weights in attention["maps"]] == pytest.approx([1, 1], abs=1e-5)
    assert sum(word["weight"] for word in content["words"]) == pytest.approx(1, abs=1e-5)
    assert len(content["top"]) == 5 and sum(one["score"] for one in content["top"]) == pytest.approx(1, abs=1e-5)
    assert content["top"][0] == {"answer": content["answer"], "score": content["confidence"]}
    assert not validator.is_valid(content | {"more": 1})
    for name in content:
        assert not validator.is_valid({key: value for key, value in content.items() if key != name}), name


def test_asking_together_equals_asking_one_by_one(model, photo, encoded):
    photos = [photo, noise(1), photo, model.look(noise(2))]
    questions = [["cat"], [QUESTION, "cat", "how many dogs are there on the table?"], [], [QUESTION]]
    together = model.ask_all([model.decode(source) for source in photos], questions)
    assert encoded == [1, 2]  # the new photos in one batch
    for source, some, answers in zip(photos, questions, together, strict=True):
        for question, *both in zip(some, answers, model.ask_many(source, some), strict=True):
            alone = model.ask(source, question)
            for answer in both:
                for found, expected in zip((*answer.top, *answer.words), (*alone.top, *alone.words), strict=True):
                    assert found == (expected[0], pytest.approx(expected[1], abs=1e-6))
                assert answer.attention == pytest.approx(alone.attention, abs=1e-6)
    assert model.ask_all([photo], [[]]) == [[]] and encoded == [1, 2]


def test_a_photo_is_encoded_once(model, photo, encoded, tmp_path):
    first = model.ask(photo, QUESTION)
    model.ask(photo, "how many cats?")
    model.ask_many(str(photo), [QUESTION, "cat"])
    assert model.ask(photo, QUESTION).top == first.top
    model.ask(shutil.copy(photo, tmp_path / "copy.png"), QUESTION)  # the same content under another name
    assert encoded == [1]
    noise(1).save(photo)  # the same name with another content
    model.ask(photo, QUESTION)
    assert encoded == [1, 1]


def test_a_look_replaces_the_photo(model, photo, encoded):
    look = model.look(photo)
    assert (look.photo.size, look.grid.shape) == ((50, 40), (1, 64, 64))
    photo.unlink()
    assert model.ask(look, QUESTION).text in model.answers
    assert model.look(look) is look and encoded == [1]


def test_the_last_few_photos_are_cached(model, encoded):
    for seed in range(CACHED_PHOTOS + 1):
        model.look(noise(seed))
    assert len(model._looks) == CACHED_PHOTOS
    model.look(noise(1))  # still cached, and now the latest
    assert len(encoded) == CACHED_PHOTOS + 1
    model.look(noise(0))
    model.look(noise(1))
    assert len(encoded) == CACHED_PHOTOS + 2


def test_what_is_drawn_is_cached_not_the_original(model):
    """Sixteen photos of 64 million pixels would hold 4 GB."""
    assert model.look(np.zeros((3000, 1500, 3), np.uint8)).photo.size == (512, 1024)


def test_every_kind_of_input_gives_the_same_answer(model, photo):
    expected = model.ask(photo, QUESTION)
    image = Image.open(photo).convert("RGB")
    for source in (str(photo), photo.read_bytes(), io.BytesIO(photo.read_bytes()), image, np.asarray(image)):
        model._looks.clear()
        answer = model.ask(source, QUESTION)
        assert answer.top == expected.top and np.array_equal(answer.attention, expected.attention)


def test_a_photo_that_cannot_be_read_is_reported(model, tmp_path):
    (tmp_path / "photo.png").write_bytes(b"just some text, no image")
    sources = (tmp_path / "photo.png", tmp_path / "missing.png", tmp_path, b"", None, 7, io.StringIO("text"), [1, 2])
    for source in (*sources, np.zeros((4, 4))):
        refusal(model.ask, source, QUESTION)


@pytest.fixture
def opened() -> list[str]:
    """The files that were opened during the test."""
    names: list[str] = []
    sys.addaudithook(lambda event, arguments: names.append(str(arguments[0])) if event == "open" else None)
    return names


def test_a_file_is_opened_and_decoded_once(model, photo, encoded, opened, monkeypatch):
    """By its path, and by what the command line reads before the model is loaded."""
    decoded, decode = [], photos._upright_rgb
    monkeypatch.setattr(photos, "_upright_rgb", lambda image: (decoded.append(1), decode(image))[1])
    model.ask_many(photo, [QUESTION, "cat"])
    assert opened.count(str(photo)) == len(decoded) == 1
    file = photos.read_photo(photo)
    model._looks.clear()
    model.ask(file, QUESTION)
    assert model.look(file).photo.size == (50, 40)
    assert opened.count(str(photo)) == len(decoded) == 2


def test_a_checkpoint_s_configuration_is_read_once(tiny_checkpoint, opened):
    VQA.load(tiny_checkpoint, "cpu")
    assert opened.count(str(tiny_checkpoint / "config.json")) == 1


def test_answering_computes_what_it_reports_and_nothing_else(model, photo, monkeypatch):
    for name in ("image_only_logits", "loss"):
        monkeypatch.setattr(model.model, name, lambda *_, name=name: pytest.fail(f"{name} is computed"))
    computed = []
    for name in ("prepare", "sides"):  # the photo's parts
        part = getattr(model.model, name)
        monkeypatch.setattr(model.model, name, lambda x, name=name, part=part: (computed.append(name), part(x))[1])
    unseen = model.look(np.full((20, 30, 3), 7, np.uint8))
    model.logits(unseen.grid, [QUESTION], [0])
    assert computed == ["prepare"]  # without the falls there is no use for the sides
    computed.clear()
    model.ask_many(unseen, [QUESTION, "cat"])
    assert computed == ["prepare", "sides"]
    again = model.ask(unseen, QUESTION)
    assert len(computed) == 2 and again.text == model.ask_many(unseen, [QUESTION, "cat"])[0].text
    model.ask_all([unseen, photo], [[QUESTION], ["cat"]])
    assert computed == ["prepare", "sides", "prepare"]  # of several photos the sides would cost more than they save


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "The question is empty"),
        ("a" * 10_000, "10,000 characters"),
        ("🐱🐶", "has no words"),
        ("quetzal zyzzyva", "knows none of the words in 'quetzal zyzzyva'"),
        (None, "A question is text"),
    ],
)
def test_a_question_that_cannot_be_asked_is_reported_before_the_photo_is_read(model, photo, encoded, question, message):
    for questions in ([question], [QUESTION, question]):
        assert message in refusal(model.ask_many, photo, questions)
    assert encoded == []


def test_other_arguments_are_checked(model, photo, tiny_checkpoint):
    assert "give a list of them" in refusal(model.ask_many, photo, "dogs")
    assert "ask for at least 1" in refusal(model.ask, photo, QUESTION, top=0)
    assert "The device 'abacus' is not available" in refusal(VQA.load, tiny_checkpoint, device="abacus")
    assert "The precision 'float8'" in refusal(VQA.load, tiny_checkpoint, device="cpu", dtype="float8")


def test_bfloat16_stays_close(tiny_checkpoint, model, photo):
    rough = VQA.load(tiny_checkpoint, device="cpu", dtype="bfloat16").ask(photo, QUESTION, top=5)
    exact = {score.answer: score.score for score in model.ask(photo, QUESTION, top=5).top}
    assert {score.answer: score.score for score in rough.top} == pytest.approx(exact, abs=0.02)


def test_asking_leaves_no_trace_in_the_model(model, photo):
    before = {name: value.clone() for name, value in model.model.state_dict().items()}
    answers = [model.ask(photo, QUESTION).to_dict() for _ in range(2)]
    assert all(torch.equal(before[name], value) for name, value in model.model.state_dict().items())
    for seconds in (answer.pop("seconds") for answer in answers):
        assert set(seconds) == {"load", "photo", "question"} and all(0 < value < 60 for value in seconds.values())
    assert answers[0] == answers[1]
