"""The options of `vqa evaluate`, listed once: the flags of the command line follow from them."""

from dataclasses import MISSING, dataclass, field
from typing import Any

from vqa.foreign import refuse
from vqa.model.errors import InputError

AT_LEAST = {"limit": 1, "deletion": 0, "robustness": 0, "batch_size": 1, "processes": 1}


def flag(help: str, default: Any = MISSING, **arguments: Any) -> Any:
    """A field that is a flag of the command line, too; arguments: of `ArgumentParser.add_argument`."""
    return field(default=default, metadata={"help": help, **arguments})


@dataclass(frozen=True)
class Options:
    """What is evaluated, on which data, and how.

    Raises `InputError` for a count that is too small.
    """

    data: str = flag(
        "JSONL, CSV, Parquet, official VQA, CLEVR or GQA questions (.json), DAQUAR, COCO-QA, easy-vqa:test"
    )
    annotations: str | None = flag("the annotations that belong to official VQA questions", None)
    images: str | None = flag("the folder of the photos", None, metavar="DIR")
    output: str | None = flag("write results.json, predictions.json, report.html … there", None, metavar="DIR")
    features: str | None = flag(
        "a feature store by the model's own image encoder, read instead of the photos", None, metavar="STORE"
    )
    predictions: str | None = flag("score these answers instead of asking a model", None, metavar="FILE")
    metric: str = flag("the metric of the table (default: exact)", "exact", choices=("exact", "official", "wups"))
    limit: int | None = flag("only the first N questions", None, type=int, metavar="N")
    swap_photos: bool = flag(
        "ask each question about another photo, too: does the model use the photo?", False, action="store_true"
    )
    deletion: int = flag("ask N questions with the attended region covered", 0, type=int, metavar="N")
    robustness: int = flag("ask N questions with typos, blurred photos and other damage", 0, type=int, metavar="N")
    boxes: str | None = flag(
        "the boxes of objects on the photos: does the attention point at what the question names?", None, metavar="FILE"
    )
    suite: str | None = flag(
        "looking: all measurements of whether the model looks, on one card; with --data world on drawn scenes",
        None,
        choices=("looking",),
    )
    api: str | None = flag(
        "ask a model behind this OpenAI-style server, with the key in OPENAI_API_KEY", None, metavar="URL"
    )
    api_model: str | None = flag("the model's name on that server", None, metavar="NAME")
    calibrate: str | None = flag(
        "fit a foreign model's confidence on these questions first, and remember it in the user's cache",
        None,
        metavar="DATA",
    )
    batch_size: int = flag("photos in a batch (default: 64)", 64, type=int, metavar="N")
    processes: int = flag("processes that answer (default: 1)", 1, type=int, metavar="N")
    model: str | None = None
    device: str = "auto"
    runtime: str = "auto"
    dtype: str = "auto"
    trust_remote_code: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in AT_LEAST.items():
            if (count := getattr(self, name)) is not None and count < least:
                raise InputError(f"--{name.replace('_', '-')} is {count}; give at least {least}.")
        if (self.api is None) != (self.api_model is None):
            raise InputError("--api URL and --api-model NAME belong together; give both.")
        if self.api is not None:
            here = ("model", "predictions", "features", "device", "runtime", "dtype", "trust_remote_code")
            refuse("A model on a server (--api)", **{name: getattr(self, name) for name in here})
