"""Compare the page without a server with the ONNX runtime of Python on the same questions, in a real Chromium.

python -m tools.page_numbers --site SITE --model EXPORTED --data questions.jsonl --images DIR

SITE was written by `vqa export-page --model EXPORTED`. Each difference is printed, with whether the squares of pixels
that the model saw differ, too: then its cause is the browser's decoding of the photo.
"""

import argparse
import base64
import functools
import http.server
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from vqa.data.readers import read_examples
from vqa.model.errors import InputError
from vqa.predict import VQA, ours
from vqa.script import run

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NEAR = 0.02  # of two probabilities
# In the page: ask the questions about a photo through the page's own interface.
ASK = """async ([name, content, questions]) => {
  const server = await import(new URL("api/server.js", document.baseURI));
  const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
  const photo = { id: name, file: new Blob([bytes]) }, answers = [];
  for (const question of questions)
    answers.push(await server.about(photo, "ask", question).catch(({ message }) => ({ refused: message })));
  const { squareOf } = await import(new URL("browser/photo.js", document.baseURI));
  const square = await squareOf(photo.file, SIZE);
  return { answers, square: btoa(Array.from(square, (byte) => String.fromCharCode(byte)).join("")) };
}"""


@contextmanager
def served(site: Path, mbit: float | None = None) -> Iterator[str]:
    """The address of a folder on this machine, sent as over one line of so many Mbit/s."""
    line = threading.Lock()  # all requests share it

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # a page that was closed
                super().handle()

        def copyfile(self, source: Any, outputfile: Any) -> None:
            for block in iter(lambda: source.read(1 << 16), b""):
                if mbit is not None:
                    with line:
                        time.sleep(len(block) * 8e-6 / mbit)
                outputfile.write(block)

    handler = functools.partial(Handler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def chromium(**options: Any) -> Iterator[Any]:
    """A browser of Playwright: the system's Chromium if there is one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS, **options)
        yield browser
        browser.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.page_numbers", description=__doc__.split("\n")[0])
    parser.add_argument("--site", required=True, type=Path)
    parser.add_argument("--model", required=True, help="the folder that train.export_onnx wrote")
    parser.add_argument("--runtime", default="onnx-w8", help="of Python, onnx or onnx-w8 (default: onnx-w8)")
    parser.add_argument("--data", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--questions", type=int, default=500, metavar="N", help="how many to ask (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="of their choice (default: 0)")
    return run(parser, check, arguments)


def check(given: argparse.Namespace) -> None:
    """Print how many answers are equal, and the largest difference of a probability."""
    vqa = ours(VQA.load(given.model, runtime=given.runtime))
    examples = read_examples(given.data, images=given.images)
    chosen = np.random.default_rng(given.seed).permutation(len(examples))[: given.questions]
    photos: dict[str, list[str]] = {}
    for i in chosen:
        photos.setdefault(examples[i].image, []).append(examples[i].question)
    same = near = count = 0
    worst, decoded = 0.0, 0
    with served(given.site) as address, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(address)
        for photo, questions in photos.items():
            content = base64.b64encode(Path(photo).read_bytes()).decode()
            found = page.evaluate(ASK.replace("SIZE", str(vqa.checkpoint.size)), [photo, content, questions])
            square = np.frombuffer(base64.b64decode(found["square"]), np.uint8).astype(int)
            off = int(np.abs(square - vqa.square(photo).ravel()).max())
            decoded += off > 0
            for question, theirs in zip(questions, found["answers"], strict=True):
                count += 1
                try:
                    our = vqa.ask(photo, question)
                except InputError as error:
                    equal = theirs.get("refused") == str(error)
                    same, near = same + equal, near + equal
                    continue
                scores = {score["answer"]: score["score"] for score in theirs.get("top", [])}
                difference = abs(our.top[0].score - scores.get(our.top[0].answer, 0))
                equal = our.text == theirs.get("answer")
                same, near, worst = same + equal, near + (difference <= NEAR), max(worst, difference)
                if not equal or difference > NEAR:
                    other = f"{theirs.get('answer')} {theirs.get('confidence', 0):.3f}"
                    texts = f"{our.text} {our.confidence:.3f}, in the page {other}"
                    print(f"{Path(photo).name} {question!r}: {texts}; pixels differ by at most {off}", flush=True)
    print(f"{same} of {count} best answers are equal, {near} probabilities within {NEAR}; at most {worst:.4f} apart.")
    print(f"The pixels of {decoded} of {len(photos)} photos differ.")


if __name__ == "__main__":
    raise SystemExit(main())
