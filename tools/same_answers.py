"""Count the questions to which every interface gives the same best answer as `VQA.ask` in float32 on the CPU.

    python -m tools.same_answers --data questions_val.jsonl --images photos --limit 500 [--onnx DIR]

The other interfaces are the pipeline of transformers and the ONNX runtime.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import track
from transformers import pipeline

from vqa.checkpoint.find import find_checkpoint
from vqa.checkpoint.refresh import refresh
from vqa.data.examples import Example
from vqa.data.readers import read_examples
from vqa.predict import VQA, VQALike
from vqa.script import run


def same_answers(
    examples: Sequence[Example], images: Path, model: str | None = None, onnx: str | None = None
) -> dict[str, int]:
    """For every other interface: the number of questions that it answers as `VQA.ask` does.

    onnx: the same model as `train.export_onnx` wrote it; its 8-bit files too, if there are any.
    """

    def asking(vqa: VQALike) -> Callable[[Path, str], str]:
        return lambda photo, question: vqa.ask(photo, question, 1).text

    reference = asking(VQA.load(model, "cpu", "float32", "torch"))
    with TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(find_checkpoint(model), Path(temporary, "model")))
        refresh(folder)  # adds the code, which the bundled model's folder does not contain
        # transformers' types list its own tasks only
        pipe = pipeline(model=str(folder), trust_remote_code=True, device="cpu")  # type: ignore[call-overload]
    interfaces = {"pipeline": lambda photo, question: pipe(photo, question, top_k=1)[0]["answer"]}
    if onnx:
        interfaces["onnx"] = asking(VQA.load(onnx, runtime="onnx"))
        if list(Path(onnx).rglob("*_int8.onnx")):
            interfaces["onnx-int8"] = asking(VQA.load(onnx, runtime="onnx-int8"))
    same = dict.fromkeys(interfaces, 0)
    for example in track(examples, "Asking", disable=not sys.stderr.isatty()):
        photo = images / example.image
        expected = reference(photo, example.question)
        for name, answer in interfaces.items():
            same[name] += answer(photo, example.question) == expected
    return same


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.same_answers", description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="questions in any format that vqa evaluate reads")
    parser.add_argument("--images", required=True, type=Path, help="the folder of the photos")
    parser.add_argument("--limit", type=int, default=500, help="how many questions (default: 500)")
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    parser.add_argument("--onnx", metavar="DIR", help="the same model as train.export_onnx wrote it")

    def count(given: argparse.Namespace) -> None:
        examples = read_examples(given.data)[: given.limit]
        for name, same in same_answers(examples, given.images, given.model, given.onnx).items():
            print(f"{name}: {same} of {len(examples)} answers are the same.")

    return run(parser, count, arguments)


if __name__ == "__main__":
    sys.exit(main())
