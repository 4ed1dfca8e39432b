"""Does a model give the same answers through every door? Counts equal best answers, question by question.

    python -m train.same_answers --data questions_val.jsonl --images photos --limit 500

The first door is `VQA.ask` in float32 on the CPU; the other is the pipeline of transformers.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from rich.progress import track
from transformers import pipeline

from vqa.data.readers import read_examples
from vqa.errors import InputError
from vqa.folder import find_checkpoint
from vqa.predict import VQA

Door = Callable[[Path, str], str]


def same_answers(data: Path, images: Path, limit: int = 500, model: str | None = None) -> dict[str, int]:
    """For every other door: how many of the first `limit` questions it answers as `VQA.ask` does."""
    vqa = VQA.load(model, "cpu", "float32")
    folder = str(find_checkpoint(model))
    # its types name every task of transformers' own, and none of a checkpoint's
    pipe = pipeline(model=folder, trust_remote_code=True, device="cpu")  # type: ignore[call-overload]
    doors: dict[str, Door] = {"pipeline": lambda photo, question: pipe(photo, question, top_k=1)[0]["answer"]}
    same = dict.fromkeys(doors, 0)
    for example in track(read_examples(data)[:limit], "Asking", disable=not sys.stderr.isatty()):
        photo = images / example.image
        expected = vqa.ask(photo, example.question, 1).text
        for name, door in doors.items():
            same[name] += door(photo, example.question) == expected
    return same


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m train.same_answers", description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="questions in any format that vqa evaluate reads")
    parser.add_argument("--images", required=True, type=Path, help="the folder of the photos")
    parser.add_argument("--limit", type=int, default=500, help="how many questions (default: 500)")
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    arguments = parser.parse_args()
    try:
        same = same_answers(arguments.data, arguments.images, arguments.limit, arguments.model)
    except InputError as error:
        print(f"python -m train.same_answers: {error}", file=sys.stderr)
        return 2
    for name, count in same.items():
        print(f"{name}: {count} of {min(arguments.limit, len(read_examples(arguments.data)))} answers are the same.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
