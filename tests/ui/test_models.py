import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.data.refusal import refusal
from tests.ui.conftest import QUESTION
from ui.models import BUNDLED, MAX_FURTHER, STEPS, Batches, Models, importing
from vqa.language.complete import Completer
from vqa.model.errors import InputError
from vqa.predict import VQA

QUESTIONS = [QUESTION, "is it red?", "how many cats are there?", "cat"]


@pytest.fixture
def loaded(monkeypatch) -> list[str | None]:
    """The names of what was loaded; the models themselves are stand-ins."""
    names: list[str | None] = []

    def load(name, device):
        names.append(name)
        if name == "broken":
            raise InputError("There is no model broken; name another.")
        return SimpleNamespace(name=name, device=device)

    monkeypatch.setattr(VQA, "load", load)
    return names


def result_of(function) -> queue.Queue:
    """What `function` returns or raises in a thread of its own."""
    results: queue.Queue = queue.Queue()

    def run():
        try:
            results.put(function())
        except Exception as error:
            results.put(error)

    threading.Thread(target=run, daemon=True).start()
    return results


def test_get_waits_until_the_own_model_is_loaded():
    models, own = Models("own"), SimpleNamespace()
    result = result_of(models.get)
    with pytest.raises(queue.Empty):
        result.get(timeout=0.2)
    models.load(own)
    assert result.get(timeout=5) is own
    assert models.get("own") is models.get("") is models.get(" own ") is models.get(None) is own


def test_what_is_loaded_is_said_in_the_order_in_which_the_page_needs_it():
    models, seen = Models("own"), []
    assert models.loading == STEPS[0]
    models.load(SimpleNamespace())
    assert models.loading == ""

    def broken():
        seen.append(models.loading)
        raise InputError("The captioner was trained with another encoder.")

    models.describer = broken
    models.completer = models.repairer = lambda: seen.append(models.loading)
    models.load_further()
    assert tuple(seen) == STEPS[1:] and models.loading == ""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("There is no model here."), "InputError('There is no model here.')"),
        (RuntimeError("no memory"), "RuntimeError('no memory')"),
        (KeyboardInterrupt(), "InputError('The app is ending.')"),  # Ctrl-C
    ],
)
def test_a_failure_is_raised_for_all_who_wait(monkeypatch, error, told):
    def load(*_, **__):
        raise error

    monkeypatch.setattr(VQA, "load", load)
    models = Models("own")
    waiting = [result_of(wait) for wait in (models.get, models.describer, models.completer)]
    with pytest.raises(type(error)):
        models.load()
    waiting.append(result_of(models.get))
    assert [repr(one.get(timeout=5)) for one in waiting] == [told] * 4


@pytest.mark.parametrize(("model", "name"), [(None, None), ("folder", "folder")])
def test_the_own_model_is_loaded_on_the_device(loaded, model, name):
    models = Models(model, "cuda:1")
    models.load()
    assert models.own == (model or BUNDLED)
    assert models.get() is models.get(models.own)
    assert loaded == [name] and models.get().device == "cuda:1"


def test_a_name_that_is_not_offered_is_refused(loaded):
    models = Models("own", offered=["one", "own"])
    models.load()
    assert models.offered == ["own", *models.further] == ["own", BUNDLED, "one"]
    assert models.get("one").name == "one"
    assert models.get(BUNDLED).name is None
    assert refusal(models.get, "/etc") == "The model '/etc' is not offered here; choose one of own, bundled, one."
    assert len(refusal(models.get, "x" * 5000)) < 200
    assert loaded == ["own", "one", None]


def test_few_further_models_stay_loaded_and_the_own_always(loaded):
    models = Models("own", any_model=True)
    models.load()
    for name in ("a", "b", "a", "c"):  # a is used again, so b is the oldest when c is loaded
        models.get(name)
    assert MAX_FURTHER == 2 and loaded == ["own", "a", "b", "c"]
    for name in (None, "a", "c", "b"):
        models.get(name)
    assert loaded == ["own", "a", "b", "c", "b"]


def test_a_further_model_that_fails_leaves_the_others(loaded):
    models = Models("own", any_model=True)
    models.load()
    for _ in range(2):  # it is read anew, once it may be there
        assert "There is no model broken" in refusal(models.get, "broken")
        assert models.get().name == "own"
    assert loaded == ["own", "broken", "broken"]


@pytest.mark.parametrize("kind", [VQA, Completer])
def test_a_model_that_several_need_at_once_is_loaded_once(monkeypatch, kind):
    reading, go_on, calls = threading.Event(), threading.Event(), []

    def load(*_, **__):
        reading.set()
        go_on.wait(5)
        calls.append(kind)
        return SimpleNamespace()

    monkeypatch.setattr(kind, "load", load)
    models = Models("own", any_model=True)
    models.load(SimpleNamespace())
    results = [result_of(models.completer if kind is Completer else lambda: models.get("other")) for _ in range(4)]
    assert reading.wait(5)
    with pytest.raises(queue.Empty):
        results[-1].get(timeout=0.2)
    go_on.set()
    assert len({id(result.get(timeout=5)) for result in results}) == len(calls) == 1


@pytest.mark.parametrize(("name", "error"), [("torch", InputError), ("vqa.nothing", ModuleNotFoundError)])
def test_a_missing_package_is_reported_and_our_own_is_an_error(monkeypatch, name, error):
    def load():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(Completer, "load", load)
    models = Models("own")
    models.load(SimpleNamespace())
    with pytest.raises(error, match="needs PyTorch" if error is InputError else name):
        models.completer()


def test_large_packages_are_imported_in_one_thread_at_a_time():
    models, order = Models("own"), []
    with importing:
        load = result_of(lambda: (models.load(SimpleNamespace()), order.append("loaded")))
        with pytest.raises(queue.Empty):
            load.get(timeout=0.2)
        order.append("imported")
    load.get(timeout=5)
    assert order == ["imported", "loaded"]


def test_what_comes_later_waits_for_the_own_model_without_keeping_others_from_importing():
    models, loaded = Models("own"), []
    models._load_describer = lambda: None  # type: ignore[method-assign]
    waiting = result_of(lambda: (models.describer(), loaded.append("captioner")))
    with pytest.raises(queue.Empty):
        waiting.get(timeout=0.2)
    assert importing.acquire(timeout=1)  # of another thread
    importing.release()
    models._own.set_exception(InputError("There is no model."))
    assert isinstance(waiting.get(timeout=5), InputError) and not loaded


@pytest.fixture
def batches() -> Batches:
    return Batches(threading.RLock())


@pytest.fixture
def sizes(vqa, monkeypatch) -> list[int]:
    """How many requests each batch of the model has."""
    sizes: list[int] = []
    ask_all = vqa.ask_all
    monkeypatch.setattr(vqa, "ask_all", lambda photos, *rest: (sizes.append(len(photos)), ask_all(photos, *rest))[1])
    return sizes


def ask_at_once(batches: Batches, vqa, requests: list[tuple[bytes, list[str]]]) -> list[Future]:
    """Let a thread ask each request while the model is locked, and unlock it when all wait."""
    with ThreadPoolExecutor(len(requests)) as pool, batches._lock:
        results = [pool.submit(batches.ask, vqa, *request) for request in requests]
        while len(batches._queue) + sum(result.done() for result in results) < len(requests):
            threading.Event().wait(0.01)
        assert batches.waiting == len(batches._queue)
    assert batches.waiting == 0
    return results


def test_those_who_wait_are_answered_in_one_batch(batches, vqa, photo: Path, tmp_path, sizes):
    other = photo.read_bytes() + b"\0"  # another content with the same pixels
    requests = [(content, [question]) for content in (photo.read_bytes(), other) for question in QUESTIONS]
    requests.append((other, QUESTIONS))
    found = [result.result() for result in ask_at_once(batches, vqa, requests)]
    assert sizes == [len(requests)]
    for (content, questions), answers in zip(requests, found, strict=True):
        for question, answer in zip(questions, answers, strict=True):
            alone = vqa.ask(content, question)
            assert answer.text == alone.text and answer.confidence == pytest.approx(alone.confidence, abs=1e-5)
            assert answer.attention == pytest.approx(alone.attention, abs=1e-5)


def test_a_bad_request_is_refused_alone_and_takes_no_place_in_the_batch(batches, vqa, photo, sizes):
    content = photo.read_bytes()
    requests = [(content, [QUESTION]), (b"no photo", [QUESTION]), (content, [""]), (content, ["cat"])]
    good, no_photo, no_question, last = ask_at_once(batches, vqa, requests)
    assert good.result() and last.result() and sizes == [2]
    for refused in (no_photo, no_question):
        with pytest.raises(InputError):
            refused.result()


def test_what_breaks_a_batch_fails_alone(batches, vqa, photo, monkeypatch):
    ask_all = vqa.ask_all

    def fragile(photos, questions):
        if ["cat"] in questions:
            raise RuntimeError("broken")
        return ask_all(photos, questions)

    monkeypatch.setattr(vqa, "ask_all", fragile)
    *good, broken = ask_at_once(batches, vqa, [(photo.read_bytes(), [question]) for question in QUESTIONS])
    assert all(len(result.result()) == 1 for result in good)
    with pytest.raises(RuntimeError):
        broken.result()


def test_who_is_ended_leaves_the_others_their_questions(batches, vqa, photo, monkeypatch):
    ask_all = vqa.ask_all

    def end_once(*requests):
        monkeypatch.setattr(vqa, "ask_all", ask_all)
        raise KeyboardInterrupt

    monkeypatch.setattr(vqa, "ask_all", end_once)
    results = ask_at_once(batches, vqa, [(photo.read_bytes(), [question]) for question in QUESTIONS])
    assert sum(isinstance(result.exception(), KeyboardInterrupt) for result in results) == 1
    assert sum(result.exception() is None and len(result.result()) == 1 for result in results) == len(QUESTIONS) - 1


def test_a_photo_is_decoded_while_the_model_is_in_use(models, photo):
    with models.use(), ThreadPoolExecutor(1) as pool:
        decoded = pool.submit(models.decode, photo.read_bytes()).result(timeout=60)
    assert decoded.photo.size == (160, 120)
