"""The `vqa` command: reads arguments, calls the package, prints. Heavy modules are imported inside the commands."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from vqa import __version__, script
from vqa.evaluation.options import Options
from vqa.model.errors import InputError

PHOTOS = "image files, folders, patterns, or - for a list on standard input"
DEVICE: dict[str, Any] = {"default": "auto", "help": "auto, cpu, cuda or mps (default: auto)"}
SEED: dict[str, Any] = {"type": int, "default": 0, "help": "of the random draw (default: 0)"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0; 2 for bad input, reported in one sentence; 130 for Ctrl-C."""

    def command(given: argparse.Namespace) -> None:
        given.command(**{name: value for name, value in vars(given).items() if name != "command"})

    return script.run(build_parser(), command, argv)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands. The arguments of a command have the names of its function's parameters."""
    about = "Ask a photo a question, and see where the model looked."
    parser = script.Parser(prog="vqa", description=about)
    parser.add_argument("--version", action="version", version=f"glimpse-vqa {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(function: Callable[..., None], about: str) -> Callable[..., Any]:
        name = function.__name__.replace("_", "-")
        added = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        added.set_defaults(command=function)
        return added.add_argument

    add = command(ask, "ask one or more questions about one or more photos")
    add("inputs", metavar="PHOTO … QUESTION", nargs="+", help=f'{PHOTOS}; and questions, such as "what is this?"')
    add("--questions", dest="question_file", metavar="FILE", help="ask the questions in this file too, one a line")
    add_table(add)
    add_model(add)
    add("--top", type=int, default=5, metavar="N", help="list the best N answers (default: 5)")
    add("--overlay", metavar="FILE", help="write the attention over the photo; of several questions out-1.png, …")
    add("--json", dest="as_json", action="store_true", help="print a JSON object for each question, one a line")
    script.add_engine(add)
    add("--parquet", metavar="DIR", help="what --engine ray writes: a folder, which the same command continues")

    add = command(evaluate, "score a model on questions with known answers")
    for option in fields(Options):
        if option.metadata:
            flag, needed = "--" + option.name.replace("_", "-"), option.default is MISSING
            add(flag, required=needed, default=None if needed else option.default, **option.metadata)
    add_model(add)

    add = command(compare, "test which of two evaluations is better")
    add("first", metavar="A/results.json", help="what 'vqa evaluate --output' wrote, or its folder")
    add("second", metavar="B/results.json", help="another, on the same questions")
    add("--seed", type=int, default=0, help="of the bootstrap (default: 0)")

    add = command(describe, "write a caption for each photo")
    add("inputs", metavar="PHOTO", nargs="+", help=PHOTOS)
    add_table(add)
    add("--beam", type=int, default=argparse.SUPPRESS, metavar="N", help="captions kept at each word (default: 3)")
    add("--temperature", type=float, metavar="T", help="draw the words at random; below 1 from the likelier ones")
    add("--top-p", type=float, default=0.9, metavar="P", help="draw from the likeliest words only (default: 0.9)")
    add("--seed", **SEED)
    add("--overlay", metavar="FILE", help="write the attention at each word over the photo")
    add("--json", dest="as_json", action="store_true", help="print a JSON object with an attention map for each word")
    add("--model", help="a folder of train.caption, or a model for image-text-to-text (default: the bundled one)")
    add("--encoder", help="the model whose image encoder it was trained on (default: the bundled one)")
    add("--device", **DEVICE)

    add = command(train, "train a model on your own questions and photos")
    add("data", metavar="DATA", help="questions and answers: CSV, JSONL, XLSX or Parquet")
    add("--images", required=True, metavar="DIR", help="the folder of the photos")
    add("--output", metavar="MODEL", help="the folder of the new model (without it, only check the data)")
    add("--start", default="bundled", metavar="M", help="the model to fine-tune (default: bundled)")
    add("--minutes", type=float, default=10.0, metavar="M", help="time for the whole command (default: 10)")
    add("--epochs", type=int, metavar="N", help="most passes over the questions (default: 20 to 32, if there is time)")
    add("--merge", action="store_true", help="count nearly equal answers as one (the check lists them)")
    add("--no-refit", dest="refit", action="store_false", help="do not learn from the held-out photos at the end")
    add("--seed", type=int, default=1, help="of everything random (default: 1)")

    add = command(publish, "combine a model and the app into a Hugging Face Space")
    add("model", metavar="MODEL", help="a checkpoint's folder or a Hub id")
    add("--space", required=True, metavar="NAME", help="the Space's name, such as ann/birds")
    add("--output", metavar="DIR", help="the folder to create (default: NAME's last part and -space)")
    add("--static", action="store_true", help="the page of export-page, which needs no server, instead of the app")
    add("--upload", dest="push", action="store_true", help="push it to the Hub too, with your own login")
    add = command(export_page, "write the app as static files that compute in the browser")
    add("--output", required=True, metavar="DIR", help="the folder to create")
    add("--model", help="a folder of a checkpoint or of train.export_onnx, or a Hub id (default: the bundled model)")
    add("--fetch", action="store_true", help="let npm download onnxruntime-web first (once)")
    add("--onnxruntime-web", metavar="DIR", help="an unpacked package of it instead")

    add = command(complete, "complete the beginning of a question")
    add("text", metavar="TEXT", help='such as "what colo"')
    add("--top", type=int, default=3, metavar="N", help="list the best N completions (default: 3)")
    add("--temperature", type=float, metavar="T", help="draw one at random instead; below 1 a likelier one")
    add("--seed", **SEED)
    add("--model", help="a folder that train.complete wrote (default: the bundled one)")

    add = command(repair, "correct a mistyped question")
    add("text", metavar="TEXT", help='such as "whta colr is teh cat"')
    add("--json", dest="as_json", action="store_true", help="print an object with the alignment matrix")
    add("--alignment", metavar="FILE", help="write a picture of the alignment (SVG)")
    add("--model", help="a folder that train.repair wrote (default: the bundled one)")

    add = command(ui, "serve the app to the browser on this machine")
    add_model(add)
    add("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    add("--port", type=int, default=7860, help="the port to listen on (default: 7860)")
    add("--compare", nargs="+", default=[], metavar="M", help="further models to offer for comparison")
    add("--auth", metavar="NAME:PASSWORD", help="require this name and password")
    add("--mcp", action="store_true", help="serve MCP clients too (needs the extra mcp)")
    add("--root-path", metavar="PATH", help="where a reverse proxy serves the app, such as /glimpse")
    add("--ssl-certfile", metavar="FILE", help="serve HTTPS with this certificate (a camera in the network needs it)")
    add("--ssl-keyfile", metavar="FILE", help="the key of the certificate")
    add("--collect", metavar="DIR", help="let people confirm or correct answers, and add them to DIR/questions.csv")
    add("--window", action="store_true", help="open the app in a window of its own")
    return parser


def add_model(add: Callable[..., Any]) -> None:
    """The arguments of `VQA.load`."""
    add("--model", help="a checkpoint's folder or a Hub id (default: the bundled model)")
    add("--device", **DEVICE)
    add("--runtime", default="auto", metavar="NAME", help="torch, onnx, onnx-w8 or onnx-int8 (default: torch)")
    add("--dtype", default="auto", help="auto, float32 or bfloat16 (default: auto)")
    add("--trust-remote-code", action="store_true", help="run Python code that the model's folder brings")


def add_table(add: Callable[..., Any]) -> None:
    """The arguments of a run over many photos."""
    add("--csv", metavar="FILE", help="write a row for each answer there; the same command continues an unfinished run")
    add("--jsonl", metavar="FILE", help="the same as JSON lines")


def ask(
    inputs: list[str],
    question_file: str | None,
    csv: str | None,
    jsonl: str | None,
    top: int,
    overlay: str | None,
    as_json: bool,
    engine: str | None,
    workers: int,
    parquet: str | None,
    **load: Any,
) -> None:
    """Answer every question about every photo; errors in the paths are reported before the model is loaded."""
    if top < 1:
        raise InputError(f"The number of top answers is {top}; ask for at least 1.")
    if engine or parquet:
        if not (engine and parquet) or csv or jsonl or overlay or as_json:
            raise InputError("--engine ray and --parquet DIR belong together, without another kind of output.")
        from vqa import scale

        return scale.ask(inputs, question_file, parquet, top, workers, **load)
    from vqa import many, one
    from vqa.table import open_table

    photos, questions = many.split(inputs, question_file)
    if many.is_one(photos) and not (csv or jsonl):
        one.ask(photos[0], questions, top, overlay, as_json, **load)
    elif overlay is not None:
        raise InputError("--overlay draws on one photo; name a single file, without --csv or --jsonl.")
    else:
        many.ask(photos, questions, top, open_table(csv, jsonl, many.ANSWER, load["model"]), as_json, **load)


def evaluate(**options: Any) -> None:
    """Score a model and print a table."""
    from vqa.evaluation.command import evaluate as run

    run(Options(**options))


def compare(**options: Any) -> None:
    """Compare two evaluations by a paired bootstrap."""
    from vqa.evaluation.compare import compare as run

    run(**options)


def describe(
    inputs: list[str],
    csv: str | None,
    jsonl: str | None,
    overlay: str | None,
    as_json: bool,
    model: str | None,
    encoder: str | None,
    device: str,
    **search: Any,
) -> None:
    """Print or write a caption of each photo; errors in the paths are reported before the models are loaded."""
    from vqa import many
    from vqa.model.photos import read_photo
    from vqa.show import heat
    from vqa.table import open_table

    one = many.is_one(inputs) and not (csv or jsonl)
    if overlay is not None and not one:
        raise InputError("--overlay draws on one photo; name a single file, without --csv or --jsonl.")
    photos: list[Any] = [read_photo(inputs[0])] if one else many.list_photos(inputs)
    table = None if one else open_table(csv, jsonl, many.CAPTION, model)
    if overlay is not None:
        heat.check_picture_path(overlay, inputs[0])
    from vqa.foreign.describing import load_describer  # takes seconds

    describer = load_describer(model, encoder, device, search.get("beam"))
    if not one:
        many.describe(describer, photos, table, as_json, **search)
        return
    described = describer.describe(photos[0], **search)
    if overlay is not None:
        names = [word.word for word in described.words]
        picture = heat.overlay(describer.vqa.look(photos[0]).photo, described.attention(), described.text, names=names)
        heat.save_picture(picture, overlay)
    print(json.dumps(described.to_dict()) if as_json else described.text)


def train(**options: Any) -> None:
    """Check the data, train, evaluate, and report whether the new model is better."""
    from train.own_data import train as run
    from vqa.data.files import check_output, locked

    output = options["output"]
    if output is not None and Path(output).name in ("", ".."):
        raise InputError(f"--output is {output}; name a folder to create, such as models/mine.")
    try:
        with locked(check_output(Path(output)).with_name(f"{Path(output).name}.run")) if output else nullcontext():
            run(**options)
    except KeyboardInterrupt:
        print("Interrupted; the same command resumes from the last saved step.", file=sys.stderr)
        raise


def publish(static: bool, **options: Any) -> None:
    """Assemble the Space, and push it if requested."""
    from ui.hosting.publish import publish as run

    run(page=(lambda: exported(options["model"])) if static else None, **options)


def export_page(output: str, **options: Any) -> None:
    """Write the page, whose place is checked before the export, which takes minutes."""
    from ui.browser.site import assemble, check_output

    assemble(check_output(Path(output)), *exported(**options))


def exported(model: str | None, **runtime: Any) -> tuple[Any, Any]:
    """The runtime of the browser, and what `page_files` returns."""
    from train.exporting.page import page_files
    from ui.browser.runtime import locate

    return locate(**runtime), page_files(model)


def complete(text: str, top: int, temperature: float | None, seed: int, model: str | None) -> None:
    """Print the likeliest completions with their probabilities, or one drawn at random."""
    from vqa.language.complete import Completer

    completer = Completer.load(model)
    if temperature is not None:
        print(completer.sample(text, temperature, seed))
        return
    for completion, probability in completer.complete(text, top):
        print(f"{probability:6.1%}  {completion}")


def repair(text: str, as_json: bool, alignment: str | None, model: str | None) -> None:
    """Print the corrected question."""
    from vqa.data.files import whole_file
    from vqa.inside.pictures import alignment_picture
    from vqa.language.repair import Repairer

    repaired = Repairer.load(model).repair(text)
    if alignment is not None:
        picture = alignment_picture(repaired.typed, repaired.text, repaired.alignment.tolist())
        with whole_file(Path(alignment)) as new:
            new.write_text(picture, encoding="utf-8")
    print(json.dumps(repaired.to_dict()) if as_json else repaired.text)


def ui(**options: Any) -> None:
    """Serve the app until Ctrl-C."""
    from ui.app import launch

    launch(**options)


if __name__ == "__main__":
    sys.exit(main())
