"""Our own world: drawn scenes of coloured shapes with exact positions, and questions about them.

Everything is generated from a seed, nothing is downloaded. Scene i of a seed does not depend on the others, so
a world can be generated in parallel, in parts, or as a stream; the same seed gives the same bytes in every
process. For held-out scenes use another seed. After Sort-of-CLEVR (Santoro et al. 2017) and CLEVR (Johnson et
al. 2017).

    python -m vqa.data.world FOLDER --scenes 10000 --seed 0
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vqa.data.examples import Example, example_to_dict
from vqa.data.files import file_errors, whole_folder
from vqa.data.world_questions import WorldQuestion, make_questions
from vqa.data.world_scene import Scene, draw, make_scene
from vqa.model.errors import InputError
from vqa.script import run

CHUNK = 250  # scenes written by a worker at a time


def generate(
    n_scenes: int, seed: int, questions_per_scene: int = 8, start: int = 0, size: int = 64
) -> Iterator[tuple[Scene, NDArray[np.uint8], list[WorldQuestion]]]:
    """Stream scenes `start` to `start + n_scenes - 1` of a seed: scene, picture (H, W, 3), questions.

    Raises as `make_scene` and `make_questions`.
    """
    for index in range(start, start + n_scenes):
        scene = make_scene((seed, index), size)
        yield scene, draw(scene), make_questions(scene, (seed, index), questions_per_scene)


def write_world(
    folder: str | Path,
    n_scenes: int,
    seed: int,
    questions_per_scene: int = 8,
    workers: int = 2,
    size: int = 64,
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Write a world, whole or not at all; returns the path of its `questions.jsonl`.

    The folder holds `photos/000000.png`..., `questions.jsonl` (the project's example schema; `image` is the file
    name in `photos/`, `question_type` the family, `source` "world-plain" or "world-relational") and
    `scenes.json`: for each scene its shapes with boxes, and for each question the shapes asked about.

    Args:
        workers: processes; they are spawned, so a script that calls this needs `if __name__ == "__main__"`.
        progress: called with the number of scenes written so far.

    Raises `InputError` if the folder is a file or not empty, is not writable, or a number is out of range.
    """
    folder = Path(folder).absolute()
    if n_scenes < 1 or workers < 1:
        raise InputError(f"A world has {n_scenes} scenes by {workers} workers; give at least 1 of each.")
    next(generate(1, seed, questions_per_scene, size=size))  # invalid settings fail here, before any file
    chunks = [range(i, min(i + CHUNK, n_scenes)) for i in range(0, n_scenes, CHUNK)]
    with ExitStack() as stack:
        stack.enter_context(file_errors(f"{folder} cannot be written", "choose another place"))
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} is already there and not an empty folder; name a new one.")
        new = stack.enter_context(whole_folder(folder, "scenes.json"))
        (new / "photos").mkdir()
        questions = stack.enter_context(open(new / "questions.jsonl", "w", encoding="utf-8"))
        scenes = stack.enter_context(open(new / "scenes.json", "w", encoding="utf-8"))
        write = partial(_write_chunk, new / "photos", seed, questions_per_scene, size)
        written = map(write, chunks)
        if workers > 1 and len(chunks) > 1:
            # not forked: the caller may have threads, which a fork would leave in an unknown state
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(min(workers, len(chunks)), context))
            written = pool.map(write, chunks)  # type: ignore[assignment]
        for chunk, (question_lines, scene_lines) in zip(chunks, written, strict=True):
            questions.writelines(line + "\n" for line in question_lines)
            scenes.write("[\n" if chunk.start == 0 else ",\n")
            scenes.write(",\n".join(scene_lines))
            progress(chunk.stop)
        scenes.write("\n]\n")
    return folder / "questions.jsonl"


def _write_chunk(
    photos: Path, seed: int, questions_per_scene: int, size: int, chunk: range
) -> tuple[list[str], list[str]]:
    """Write the pictures of some scenes; returns the lines of `questions.jsonl` and of `scenes.json`."""
    question_lines, scene_lines = [], []
    generated = generate(len(chunk), seed, questions_per_scene, chunk.start, size)
    for index, (scene, picture, questions) in zip(chunk, generated, strict=True):
        name = f"{index:06d}.png"
        Image.fromarray(picture).save(photos / name, compress_level=1)
        asked = []
        for number, q in enumerate(questions, index * 100):
            source = f"world-{'relational' if q.relational else 'plain'}"
            example = Example(name, q.question, q.answer, question_id=number, question_type=q.family, source=source)
            question_lines.append(json.dumps(example_to_dict(example)))
            asked.append({"question_id": number, "relational": q.relational, "asked": q.asked})
        shapes = [asdict(s) | {"box": s.box} for s in scene.shapes]
        content = {"image": name, "size": scene.size, "background": scene.background, "shapes": shapes}
        scene_lines.append(json.dumps({**content, "questions": asked}))
    return question_lines, scene_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m vqa.data.world FOLDER`: writes a world; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m vqa.data.world", description="Write drawn scenes of coloured shapes with questions."
    )
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--scenes", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes (default: %(default)s)")
    parser.add_argument("--questions", type=int, default=8, help="questions a scene (default: %(default)s)")
    parser.add_argument("--size", type=int, default=64, help="pixels (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")

    def command(given: argparse.Namespace) -> None:
        def report(done: int) -> None:
            print(f"\r{done:,} of {given.scenes:,} scenes", end="", file=sys.stderr, flush=True)

        write_world(given.folder, given.scenes, given.seed, given.questions, given.workers, given.size, report)
        print(file=sys.stderr)

    return run(parser, command, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
