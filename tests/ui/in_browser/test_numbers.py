"""What the page computes without a browser's help is what Python computes: pixels, words, scores, weights."""

import base64
import hashlib
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from tests.ui.in_browser.conftest import near
from train.exporting.page import model_settings, word_settings
from train.exporting.weights import pack, simplified, store_in_8_bits
from vqa.checkpoint.find import find_checkpoint, read_checkpoint
from vqa.evidence import cover
from vqa.model.errors import InputError
from vqa.model.photos import resize
from vqa.model.text import check_known, tokenize, words
from vqa.predict import VQA

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
SCRIPT = Path(__file__).with_name("numbers.mjs")
QUESTIONS = """what is on the table?|What COLOUR is the cat's hat?|isn't it rainin' today|whats the mans name
arent these doughnuts|is that a café or a cafe\u0301?|are there 3 zebras?|don\u2019t they look happy?
_ what__color grey_hat|tshirt and trousers, teddybears|qué hay en la mesa?|wie viele Leute sind das?|что это?|?!
\u0020|日本 what|what zyzzyva qwrt blorb|zyzzyva qwrt|[PAD] [UNK] what|n't 's can't wo n't|İstanbul straße what
the women's bicycles\u2019 wheels"""


def javascript(name: str, cases: list[dict[str, Any]]) -> list[Any]:
    """The results of the page's function for each case."""
    given = json.dumps({"name": name, "cases": cases})
    done = subprocess.run(["node", SCRIPT], input=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def encoded(data: Any) -> str:
    return base64.b64encode(data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()).decode()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pixels_are_resized_as_by_pillow() -> None:
    sizes = ((1, 1), (20, 30), (64, 64), (64, 65), (129, 64), (191, 260), (333, 700), (17, 900), (641, 257))
    photos = [noise(*size) for size in sizes]
    cases = [{"data": encoded(p), "width": p.shape[1], "height": p.shape[0], "size": 64} for p in photos]
    for photo, found in zip(photos, javascript("square", cases), strict=True):
        assert found == encoded(resize(Image.fromarray(photo), 64)), photo.shape


def test_a_jpeg_is_decoded_as_much_smaller_as_pillow_does() -> None:
    sizes = [(w, h) for w in (64, 100, 128, 400, 513, 1600) for h in (64, 130, 900)]
    found = javascript("draft", [{"width": w, "height": h, "size": 64} for w, h in sizes])
    for (width, height), factor in zip(sizes, found, strict=True):
        Image.new("RGB", (width, height)).save(file := io.BytesIO(), "JPEG")
        image = Image.open(file)
        image.draft("RGB", (64, 64))
        assert image.size == (-(-width // factor), -(-height // factor))


def test_parts_are_covered_as_in_python() -> None:
    photo, mask = noise(56, 56), np.array([[1, 0, 0], [0, 0, 1]], bool)
    (found,) = javascript("cover", [{"data": encoded(photo), "size": 56, "mask": mask.astype(int).tolist()}])
    assert found == encoded(cover(Image.fromarray(photo), mask))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "JPEG", "AVIF"])
def test_the_size_is_read_from_the_header(kind: str) -> None:
    Image.fromarray(noise(37, 53)).save(file := io.BytesIO(), kind)
    Image.new("RGBA", (53, 37), (0, 0, 0, 9)).save(lossless := io.BytesIO(), "WEBP", lossless=True)
    contents = (file.getvalue(), lossless.getvalue(), file.getvalue()[:15])  # the last one is cut
    assert javascript("size", [{"data": encoded(content)} for content in contents])[:2] == [[53, 37], [53, 37]]


def test_a_part_that_is_lost_missing_or_damaged_is_told_apart() -> None:
    whole, damaged = encoded(b"abc"), encoded(b"abx")
    usual = {"status": 200, "data": whole, "sha256": hashlib.sha256(b"abc").hexdigest()}
    cases = ({"cut": True}, {"status": 404}, {"data": damaged}, {"stale": damaged})
    lost, missing, wrong, stale = javascript("load", [usual | case for case in cases])
    assert "connection is lost" in lost and stale == whole
    assert "missing or damaged (one)" in missing and "missing or damaged (one)" in wrong


def test_questions_are_read_as_by_the_tokenizer() -> None:
    checkpoint, questions = read_checkpoint(find_checkpoint(None)), QUESTIONS.replace("\n", "|").split("|")
    (found,) = javascript("read", [{"settings": word_settings(checkpoint), "questions": questions}])
    for question, theirs in zip(questions, found, strict=True):
        try:
            (encoding,) = tokenize(checkpoint.tokenizer, [question])
            every, unknown = words(checkpoint.tokenizer, question, encoding)
            note = check_known(question, every, unknown)
            expected = {"ids": encoding.ids, "words": every, "unknown": unknown, "note": note}
        except InputError as error:
            expected = {"refused": str(error)}
        assert theirs == expected, question


def test_logits_become_the_same_answer(tiny_onnx: Path, photo: Path) -> None:
    vqa: Any = VQA.load(tiny_onnx, runtime="onnx")
    question = "what is on the table?"
    answer = vqa.ask(photo, question)
    output = vqa.logits(vqa.look(photo).grid, [question], np.zeros(1, np.int64), falls=True)
    config = model_settings(vqa.checkpoint, vqa.name) | {"answers": vqa.answers, "grid": vqa.grid_size}
    rows = {name: getattr(output, name)[0].tolist() for name in ("logits", "blind", "falls")}
    rows |= {"weights": output.word_weights[0].tolist(), "maps": output.attention[0].tolist()}
    every, unknown = vqa.words(question)
    case = {"config": config, "output": rows, "question": {"words": every, "unknown": unknown, "note": answer.note}}
    (found,) = javascript("answer", [case])
    assert found == near(answer.to_dict() | {"seconds": {}}, 1e-6)


def test_weights_are_packed_without_loss(tiny_onnx: Path, tmp_path: Path) -> None:
    source, small = tiny_onnx / "onnx" / "question.onnx", tmp_path / "small.onnx"
    store_in_8_bits(source, small)
    packed = pack(small)
    (found,) = javascript("dequantise", [{"data": encoded(packed.weights), "tensors": packed.tensors}])
    values = np.frombuffer(base64.b64decode(found), np.float32)
    whole = {tensor.name: numpy_helper.to_array(tensor) for tensor in simplified(source).graph.initializer}
    external = [t for t in onnx.load_from_string(packed.graph).graph.initializer if t.external_data]
    assert len(external) == len(packed.tensors) > 1
    for tensor in external:
        place = {entry.key: entry.value for entry in tensor.external_data}
        start, size = int(place["offset"]) // 4, int(place["length"]) // 4
        weights = values[start : start + size].reshape(tensor.dims)
        assert np.abs(weights - whole[tensor.name]).max() <= np.abs(whole[tensor.name]).max() / 250
