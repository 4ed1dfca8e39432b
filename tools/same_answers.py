"""Does a model give the same answers through every door? Counts equal best answers, question by question.

    python -m tools.same_answers --data questions_val.jsonl --images photos --limit 500 [--onnx DIR]

The first door is `VQA.ask` in float32 on the CPU; the others are the pipeline of transformers and the ONNX runtime.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.progress import track
from transformers import pipeline

from vqa.checkpoint.find import find_checkpoint
from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.model.errors import InputError
from vqa.predict import VQA

Door = Callable[[Path, str], str]


def same_answers(
    examples: Sequence[Example], images: Path, model: str | None = None, onnx: str | None = None
) -> dict[str, int]:
    """For every other door: how many of the questions it answers as `VQA.ask` does.

    onnx: the same model as `train.export_onnx` wrote it; its 8-bit files too, if they are there.
    """
    vqa = VQA.load(model, "cpu", "float32", "torch")
    folder = str(find_checkpoint(model))
    # its types name every task of transformers' own, and none of a checkpoint's
    pipe = pipeline(model=folder, trust_remote_code=True, device="cpu")  # type: ignore[call-overload]
    doors: dict[str, Door] = {"pipeline": lambda photo, question: pipe(photo, question, top_k=1)[0]["answer"]}
    for runtime in exported(onnx):
        doors[runtime] = partial(first, VQA.load(onnx, runtime=runtime))
    same = dict.fromkeys(doors, 0)
    for example in track(examples, "Asking", disable=not sys.stderr.isatty()):
        photo = images / example.image
        expected = first(vqa, photo, example.question)
        for name, door in doors.items():
            same[name] += door(photo, example.question) == expected
    return same


def first(vqa: VQA, photo: Path, question: str) -> str:
    """The best answer."""
    return vqa.ask(photo, question, 1).text


def exported(folder: str | None) -> list[str]:
    """The runtimes that a folder of `train.export_onnx` is for."""
    if folder is None:
        return []
    from vqa.runtimes.onnx import FOLDER, INT8  # its package is an extra

    return ["onnx", "onnx-int8"] if list(Path(folder, FOLDER).glob(f"*{INT8}.onnx")) else ["onnx"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.same_answers", description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="questions in any format that vqa evaluate reads")
    parser.add_argument("--images", required=True, type=Path, help="the folder of the photos")
    parser.add_argument("--limit", type=int, default=500, help="how many questions (default: 500)")
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    parser.add_argument("--onnx", metavar="DIR", help="the same model as train.export_onnx wrote it")
    arguments = parser.parse_args()
    try:
        examples = read_examples(arguments.data)[: arguments.limit]
        same = same_answers(examples, arguments.images, arguments.model, arguments.onnx)
    except InputError as error:
        print(f"python -m tools.same_answers: {error}", file=sys.stderr)
        return 2
    for name, count in same.items():
        print(f"{name}: {count} of {len(examples)} answers are the same.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
