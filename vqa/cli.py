"""The `vqa` command: reads arguments, calls the package, prints. Heavy imports wait inside the commands."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqa import __version__
from vqa.model.errors import InputError, missing

BAD_INPUT, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0; 2 for bad input, told in one sentence; 130 for Ctrl-C."""
    arguments = build_parser().parse_args(argv)
    try:
        arguments.command(arguments)
        sys.stdout.flush()
    except InputError as error:
        print(f"vqa: {error}", file=sys.stderr)
        return BAD_INPUT
    except ModuleNotFoundError as error:
        if (told := missing(error)) is None:
            raise
        print(f"vqa: {told}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def build_parser() -> argparse.ArgumentParser:
    about = "Ask a photo a question, and see where the model looked."
    parser = argparse.ArgumentParser(prog="vqa", description=about)
    parser.add_argument("--version", action="version", version=f"glimpse-vqa {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_ask(commands)
    add_evaluate(commands)
    add_compare(commands)
    add_describe(commands)
    add_train(commands)
    add_publish(commands)
    add_complete(commands)
    add_repair(commands)
    add_ui(commands)
    return parser


def add_ask(commands) -> None:
    parser = commands.add_parser("ask", help="ask one or more questions about a photo")
    parser.add_argument("photo", metavar="PHOTO", help="a JPEG, PNG, WebP, BMP or GIF file")
    parser.add_argument("questions", metavar="QUESTION", nargs="+", help='such as "what is on the table?"')
    add_model(parser)
    parser.add_argument("--top", type=int, default=5, metavar="N", help="list the best N answers (default: 5)")
    parser.add_argument(
        "--overlay",
        metavar="FILE",
        help="write a picture of where it looked; several questions are numbered: out-1.png, out-2.png",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object a question, one a line")
    parser.set_defaults(command=ask)


def add_evaluate(commands) -> None:
    parser = commands.add_parser("evaluate", help="score a model on questions with known answers")
    parser.add_argument(
        "--data",
        required=True,
        help="JSONL, CSV, Parquet, official VQA, CLEVR or GQA questions (.json), DAQUAR, COCO-QA, easy-vqa:test",
    )
    parser.add_argument("--annotations", help="the annotations that belong to official VQA questions")
    parser.add_argument("--images", metavar="DIR", help="the folder of the photos")
    parser.add_argument("--output", metavar="DIR", help="write results.json, predictions.json, report.html … there")
    parser.add_argument("--features", metavar="STORE", help="a feature store to read instead of the photos")
    parser.add_argument("--predictions", metavar="FILE", help="score these answers instead of asking a model")
    parser.add_argument(
        "--metric", choices=("exact", "official", "wups"), default="exact", help="what the table shows (default: exact)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N questions")
    parser.add_argument(
        "--swap-photos", action="store_true", help="ask each question about another photo too: does the model look?"
    )
    parser.add_argument(
        "--deletion", type=int, default=0, metavar="N", help="ask N questions with what it looked at covered"
    )
    parser.add_argument(
        "--robustness", type=int, default=0, metavar="N", help="ask N questions with typos, blurred photos and such"
    )
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="photos at once (default: 64)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="processes that answer (default: 1)")
    add_model(parser)
    parser.set_defaults(command=evaluate)


def add_compare(commands) -> None:
    parser = commands.add_parser("compare", help="say which of two evaluations is better, and how sure that is")
    parser.add_argument("first", metavar="A/results.json", help="what 'vqa evaluate --output' wrote, or its folder")
    parser.add_argument("second", metavar="B/results.json", help="another, on the same questions")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    parser.set_defaults(command=compare)


def add_describe(commands) -> None:
    parser = commands.add_parser("describe", help="write a caption for a photo")
    parser.add_argument("photo", metavar="PHOTO", help="a JPEG, PNG, WebP, BMP or GIF file")
    parser.add_argument("--beam", type=int, default=3, metavar="N", help="captions kept at each word (default: 3)")
    parser.add_argument("--temperature", type=float, metavar="T", help="draw words by chance; below 1 more soberly")
    parser.add_argument("--top-p", type=float, default=0.9, metavar="P", help="… among the likeliest (default: 0.9)")
    parser.add_argument("--seed", type=int, default=0, help="of that chance (default: 0)")
    parser.add_argument("--overlay", metavar="FILE", help="write a picture of where it looked at each word")
    parser.add_argument("--json", action="store_true", help="print a JSON object with a map for each word")
    parser.add_argument("--model", help="a folder that train.caption wrote (default: the bundled one)")
    parser.add_argument("--encoder", help="the model whose image encoder it was trained on (default: the bundled one)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.set_defaults(command=describe)


def add_train(commands) -> None:
    parser = commands.add_parser("train", help="make a model for your own questions and photos")
    parser.add_argument("data", metavar="DATA", help="questions and answers: CSV, JSONL, XLSX or Parquet")
    parser.add_argument("--images", required=True, metavar="DIR", help="the folder of the photos")
    parser.add_argument("--output", metavar="MODEL", help="the folder of the new model (without it, only check)")
    parser.add_argument("--start", default="bundled", metavar="M", help="the model to go on from (default: bundled)")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the questions (default: as many as suit)")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (default: 1)")
    parser.set_defaults(command=train)


def add_publish(commands) -> None:
    parser = commands.add_parser("publish", help="put a model and the app together as a Hugging Face Space")
    parser.add_argument("model", metavar="MODEL", help="a checkpoint's folder or a Hub id")
    parser.add_argument("--space", required=True, metavar="NAME", help="the Space's name, such as ann/birds")
    parser.add_argument("--output", metavar="DIR", help="the folder to make (default: NAME's last part)")
    parser.add_argument(
        "--upload", dest="push", action="store_true", help="push it to the Hub too, with your own login"
    )
    parser.set_defaults(command=publish)


def add_complete(commands) -> None:
    parser = commands.add_parser("complete", help="complete the beginning of a question")
    parser.add_argument("text", metavar="TEXT", help='such as "what colo"')
    parser.add_argument("--top", type=int, default=3, metavar="N", help="list the best N completions (default: 3)")
    parser.add_argument(
        "--temperature", type=float, metavar="T", help="write on by chance instead; below 1 more soberly"
    )
    parser.add_argument("--seed", type=int, default=0, help="of that chance (default: 0)")
    parser.add_argument("--model", help="a folder that train.complete wrote (default: the bundled one)")
    parser.set_defaults(command=complete)


def add_repair(commands) -> None:
    parser = commands.add_parser("repair", help="mend a mistyped question")
    parser.add_argument("text", metavar="TEXT", help='such as "whta colr is teh cat"')
    parser.add_argument("--json", action="store_true", help="print an object with the alignment matrix")
    parser.add_argument("--alignment", metavar="FILE", help="write a picture of the alignment (SVG)")
    parser.add_argument("--model", help="a folder that train.repair wrote (default: the bundled one)")
    parser.set_defaults(command=repair)


def add_ui(commands) -> None:
    parser = commands.add_parser("ui", help="serve the app to the browser on this machine")
    add_model(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=7860, help="the port to listen on (default: 7860)")
    parser.add_argument(
        "--compare", nargs="+", default=[], metavar="M", help="further models to offer in the tab Compare"
    )
    parser.add_argument("--auth", metavar="NAME:PASSWORD", help="ask for this name and password")
    parser.add_argument("--mcp", action="store_true", help="serve MCP clients too (needs the extra mcp)")
    parser.add_argument("--window", action="store_true", help="open the app in a window of its own")
    parser.set_defaults(command=ui)


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument(
        "--runtime",
        default="auto",
        metavar="NAME",
        help="torch, or without it onnx or onnx-int8 (default: torch where it is installed)",
    )


def ask(arguments: argparse.Namespace) -> None:
    """Answer every question about the photo; what is wrong with the paths is told before the model loads."""
    from vqa.model.photos import open_photo
    from vqa.show.heat import check_picture_path, overlay, save_picture
    from vqa.show.terminal import caption, numbered, show

    open_photo(arguments.photo, shortest_side=64)
    pictures = []
    if arguments.overlay is not None:
        pictures = numbered(arguments.overlay, len(arguments.questions))
    for path in pictures:
        check_picture_path(path)
    from vqa.predict import VQA  # takes seconds

    vqa = VQA.load(arguments.model, arguments.device, runtime=arguments.runtime)
    answers = vqa.ask_many(arguments.photo, arguments.questions, arguments.top)
    for question, answer, path in zip(arguments.questions, answers, pictures, strict=False):
        photo = vqa.look(arguments.photo).photo
        save_picture(overlay(photo, answer.attention, question, caption(answer)), path)
    for question, answer in zip(arguments.questions, answers, strict=True):
        if arguments.json:
            print(json.dumps(answer.to_dict()))
        else:
            show(question, answer)


def evaluate(arguments: argparse.Namespace) -> None:
    """Score a model and print a table."""
    from vqa.evaluation.command import evaluate as run

    run(**options(arguments))


def compare(arguments: argparse.Namespace) -> None:
    """Compare two evaluations by a paired bootstrap."""
    from vqa.evaluation.compare import compare as run

    run(arguments.first, arguments.second, arguments.seed)


def describe(arguments: argparse.Namespace) -> None:
    """Print a caption; what is wrong with the paths is told before the models load."""
    from vqa.model.photos import open_photo
    from vqa.show.heat import check_picture_path, overlay, save_picture

    photo = open_photo(arguments.photo, shortest_side=64)
    if arguments.overlay is not None:
        check_picture_path(arguments.overlay)
    from vqa.captioning.describe import Describer  # takes seconds
    from vqa.predict import VQA

    describer = Describer.load(arguments.model, VQA.load(arguments.encoder, arguments.device))
    found = describer.describe(arguments.photo, arguments.beam, arguments.temperature, arguments.top_p, arguments.seed)
    if arguments.overlay is not None:
        names = [word.word for word in found.words]
        save_picture(overlay(photo, found.attention(), found.text, names=names), arguments.overlay)
    print(json.dumps(found.to_dict()) if arguments.json else found.text)


def train(arguments: argparse.Namespace) -> None:
    """Check the data, train, evaluate, and say whether it was worth it."""
    from train.own_data import train as run

    try:
        run(**options(arguments))
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from the last saved step.", file=sys.stderr)
        raise


def publish(arguments: argparse.Namespace) -> None:
    """Put the Space together, and push it if asked to."""
    from ui.hosting.publish import publish as run

    run(**options(arguments))


def complete(arguments: argparse.Namespace) -> None:
    """Print the likeliest completions with their probabilities, or one that is drawn."""
    from vqa.language.complete import Completer

    if arguments.top < 1:
        raise InputError(f"The number of completions is {arguments.top}; ask for at least 1.")
    model = Completer.load(arguments.model)
    if arguments.temperature is not None:
        print(model.sample(arguments.text, arguments.temperature, arguments.seed))
        return
    for text, probability in model.complete(arguments.text, arguments.top):
        print(f"{probability:6.1%}  {text}")


def repair(arguments: argparse.Namespace) -> None:
    """Print what was probably meant."""
    from vqa.inside.alignment import alignment_picture
    from vqa.language.repair import Repairer

    found = Repairer.load(arguments.model).repair(arguments.text)
    if arguments.alignment is not None:
        picture = alignment_picture(found.typed, found.text, found.alignment.tolist())
        try:
            Path(arguments.alignment).write_text(picture, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{arguments.alignment} cannot be written: {error.strerror}; name another file."
            ) from error
    print(json.dumps(found.to_dict()) if arguments.json else found.text)


def ui(arguments: argparse.Namespace) -> None:
    """Serve the app until Ctrl-C."""
    from ui.app import launch

    launch(**options(arguments))


def options(arguments: argparse.Namespace) -> dict[str, Any]:
    """A command's arguments by name."""
    return {name: value for name, value in vars(arguments).items() if name != "command"}


if __name__ == "__main__":
    sys.exit(main())
