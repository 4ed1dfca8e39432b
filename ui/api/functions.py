"""The functions that the page and programs call."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ui.hosting.zero_gpu import gpu
from ui.models import TOGETHER, Models
from ui.stage.evidence import Evidence
from ui.stage.photo import Photo
from ui.thread.answers import Answers
from ui.thread.captions import Captions
from ui.thread.collect import Corrections
from ui.thread.picture import Picture
from ui.thread.suggestions import Suggestions

if TYPE_CHECKING:
    from vqa.data.collect import Collection


class Function(NamedTuple):
    """A function of the app; the first parameter of one that is about a photo is `photo`, the content of its file.

    turn: of the functions with the same one, `at_once` run at a time. public: whether programs may call it, too.
    """

    run: Callable[..., Any]
    turn: str = "model"
    at_once: int = 1
    public: bool = True


def functions(models: Models, collection: "Collection | None" = None) -> list[Function]:
    """All functions. collection: for the answers that people confirm or correct."""
    answers, captions, evidence = Answers(models), Captions(models), Evidence(models)
    suggestions, picture, photo = Suggestions(models), Picture(models), Photo(models)
    corrections = [] if collection is None else [Function(Corrections(collection).collect, "collect", public=False)]
    return [
        *(Function(gpu(run), "questions", TOGETHER) for run in (answers.ask, answers.ask_many)),
        Function(gpu(captions.describe), "captions"),  # which may still be loading
        *(Function(gpu(run)) for run in (answers.compare, evidence.evidence, evidence.what_if, evidence.occlusion)),
        Function(suggestions.complete, "complete"),
        Function(suggestions.repair, "repair"),
        Function(suggestions.did_you_mean, "repair", public=False),
        *(Function(gpu(run), public=False) for run in (picture.picture, photo.look)),
        *corrections,
    ]
