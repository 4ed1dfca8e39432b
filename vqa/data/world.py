"""Our own world: drawn scenes of coloured shapes with exact positions, and questions about them.

Everything comes from a seed, nothing is downloaded. Scene i of a seed does not depend on the others, so a
world can be made in parallel, in parts, or as a stream; the same seed gives the same bytes in every process.
For held-out scenes take another seed. After Sort-of-CLEVR (Santoro et al. 2017) and CLEVR (Johnson et al. 2017).

    python -m vqa.data.world FOLDER --scenes 10000 --seed 0
"""

import argparse
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vqa.data.world_questions import (
    COLOURS,
    FAMILIES,
    MAX_QUESTIONS,
    RGB,
    SHAPES,
    Scene,
    Seed,
    Shape,
    WorldQuestion,
    make_questions,
    random_stream,
)
from vqa.errors import InputError

__all__ = [
    "COLOURS",
    "FAMILIES",
    "MAX_QUESTIONS",
    "PAINT",
    "SHAPES",
    "Scene",
    "Shape",
    "WorldQuestion",
    "draw",
    "generate",
    "make_questions",
    "make_scene",
    "write_world",
]

PAINT: dict[str, RGB] = {
    "red": (210, 35, 40),
    "orange": (245, 130, 20),
    "yellow": (240, 220, 40),
    "green": (40, 155, 60),
    "blue": (40, 80, 215),
    "purple": (135, 45, 175),
    "pink": (250, 130, 190),
    "black": (25, 25, 30),
}
"""Colour name to red, green, blue; a made shape differs from it by at most `JITTER` in each."""
JITTER = 14
MIN_SIZE = 32
CHUNK = 250  # scenes written by a worker at a time


def make_scene(seed: Seed, size: int = 64) -> Scene:
    """Scene of 3 to 8 shapes in a picture `size` pixels wide, at least one pixel apart.

    Colours come from a palette drawn for the scene, so that some are shared. Shapes are 14 to 23 % of the
    picture wide.

    Raises:
        InputError: `size` is below 32, or `seed` is not made of whole numbers from 0 to 2**32 - 1.
    """
    if size < MIN_SIZE:
        raise InputError(f"a scene of {size} pixels is too small to draw; give at least {MIN_SIZE}")
    rng = random_stream(seed, 0)
    count = int(rng.integers(3, 9))
    grey = rng.integers(200, 232)
    background = _rgb(grey + rng.integers(-8, 9, size=3))
    palette = rng.permutation(len(COLOURS))[: rng.integers(3, len(COLOURS) + 1)]
    looks = [(SHAPES[rng.integers(len(SHAPES))], COLOURS[rng.choice(palette)]) for _ in range(count)]
    rgbs = [_rgb(np.array(PAINT[c]) + rng.integers(-JITTER, JITTER + 1, size=3)) for _, c in looks]
    placed: list[Shape] = []
    while len(placed) < count:
        placed = []
        for (shape, colour), rgb in zip(looks, rgbs, strict=True):
            for where in rng.random((50, 3)).tolist():
                candidate = _place(shape, colour, rgb, size, *where)
                if not any(_touch(candidate.box, other.box) for other in placed):
                    placed.append(candidate)
                    break
            else:
                break  # the picture is jammed: start over
    return Scene(size, background, tuple(placed))


def _rgb(values: NDArray[np.int64]) -> RGB:
    r, g, b = np.clip(values, 0, 255).tolist()
    return r, g, b


def _place(shape: str, colour: str, rgb: RGB, size: int, a: float, b: float, c: float) -> Shape:
    """Shape whose width, x and y follow from three numbers in [0, 1)."""
    width = round(size * (0.14 + 0.09 * a), 2)
    free = size - width - 2
    return Shape(
        shape, colour, rgb, width, round(1 + width / 2 + b * free, 2), round(1 + width / 2 + c * free, 2)
    )


def _touch(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether boxes overlap or touch: between shapes lies at least one pixel of background."""
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def draw(scene: Scene) -> NDArray[np.uint8]:
    """The picture, uint8 (H, W, 3), anti-aliased; a shape changes no pixel outside its box."""
    image = np.empty((scene.size, scene.size, 3), np.uint8)
    image[:] = scene.background
    for s in scene.shapes:
        x0, y0, x1, y1 = s.box
        # distance of pixel centres from the shape's centre: a row and a column that broadcast to (h, w)
        dx = np.abs(np.arange(x0, x1)[None, :] + 0.5 - s.x)
        dy = np.arange(y0, y1)[:, None] + 0.5 - s.y
        ink = _coverage(s.shape, dx, dy, s.size / 2)[..., None]
        patch = image[y0:y1, x0:x1]
        patch[:] = np.rint(patch + ink * (np.array(s.rgb) - patch))
    return image


def _coverage(shape: str, dx: NDArray[np.float64], dy: NDArray[np.float64], r: float) -> NDArray[np.float64]:
    """Part of each pixel that the shape covers, (h, w) in 0..1, from the signed distance to its outline.

    `dx` (1, w) is absolute, as every shape is symmetric; `r` is half the shape's width.
    """
    if shape == "circle":
        inside = r - np.sqrt(dx * dx + dy * dy)
    elif shape == "square":
        inside = r - np.maximum(dx, np.abs(dy))
    elif shape == "triangle":  # apex up: the slanted sides have slope 2
        inside = np.minimum(r - dy, ((dy + r) / 2 - dx) * (2 / 5**0.5))
    else:  # cross: two bars, a third as wide as long
        down = np.abs(dy)
        inside = np.minimum(r - np.maximum(dx, down), r / 3 - np.minimum(dx, down))
    return np.clip(inside + 0.5, 0, 1)


def generate(
    n_scenes: int, seed: int, questions_per_scene: int = 8, start: int = 0, size: int = 64
) -> Iterator[tuple[Scene, NDArray[np.uint8], list[WorldQuestion]]]:
    """Stream scenes `start` to `start + n_scenes - 1` of a seed: scene, picture (H, W, 3), questions.

    Raises:
        InputError: as `make_scene` and `make_questions`.
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
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write a world; returns the path of its `questions.jsonl`.

    The folder appears whole or not at all. It holds `photos/000000.png`..., `questions.jsonl` (the project's
    example schema; `image` is the file name in `photos/`, `question_type` the family) and `scenes.json`: for
    each scene its shapes with boxes, and for each question the shapes asked about.

    Args:
        workers: processes; they are spawned, so a script that calls this needs `if __name__ == "__main__"`.
        progress: called with the number of scenes written so far.

    Raises:
        InputError: the folder is a file or not empty, a number is out of range.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is already there and not an empty folder; name a new one")
    if n_scenes < 1 or workers < 1:
        raise InputError(f"a world of {n_scenes} scenes by {workers} workers; give at least 1 of each")
    next(generate(1, seed, questions_per_scene, size=size))  # bad settings show here, before any file
    part = folder.with_name(f".{folder.name}.part-{os.getpid()}")
    (part / "photos").mkdir(parents=True)
    try:
        write = partial(_write_chunk, part / "photos", seed, questions_per_scene, size)
        chunks = [range(i, min(i + CHUNK, n_scenes)) for i in range(0, n_scenes, CHUNK)]
        with ExitStack() as stack:
            questions = stack.enter_context(open(part / "questions.jsonl", "w", encoding="utf-8"))
            scenes = stack.enter_context(open(part / "scenes.json", "w", encoding="utf-8"))
            written: Iterator[tuple[list[str], list[str]]] = map(write, chunks)
            if workers > 1 and len(chunks) > 1:
                # not forked: the caller may hold threads, which a fork would leave in an unknown state
                context = multiprocessing.get_context("spawn")
                pool = stack.enter_context(ProcessPoolExecutor(min(workers, len(chunks)), context))
                written = pool.map(write, chunks)
            for chunk, (question_lines, scene_lines) in zip(chunks, written, strict=True):
                questions.write("".join(line + "\n" for line in question_lines))
                scenes.write("[\n" if chunk.start == 0 else ",\n")
                scenes.write(",\n".join(scene_lines))
                if progress:
                    progress(chunk.stop)
            scenes.write("\n]\n")
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return folder / "questions.jsonl"


def _write_chunk(
    photos: Path, seed: int, questions_per_scene: int, size: int, chunk: range
) -> tuple[list[str], list[str]]:
    """Write the pictures of some scenes; returns the lines of `questions.jsonl` and of `scenes.json`."""
    question_lines, scene_lines = [], []
    made = generate(len(chunk), seed, questions_per_scene, chunk.start, size)
    for index, (scene, image, questions) in zip(chunk, made, strict=True):
        name = f"{index:06d}.png"
        Image.fromarray(image).save(photos / name, compress_level=1)
        asked = []
        for number, q in enumerate(questions):
            identity = index * 100 + number
            row = {
                "image": name,
                "question": q.question,
                "answer": q.answer,
                "question_id": identity,
                "question_type": q.family,
                "answer_type": _answer_type(q.answer),
                "source": "world",
            }
            question_lines.append(json.dumps(row))
            asked.append({"question_id": identity, "relational": q.relational, "asked": q.asked})
        shapes = [
            {
                "shape": s.shape,
                "colour": s.colour,
                "rgb": s.rgb,
                "size": s.size,
                "x": s.x,
                "y": s.y,
                "box": s.box,
            }
            for s in scene.shapes
        ]
        row = {"image": name, "size": scene.size, "background": scene.background, "shapes": shapes}
        scene_lines.append(json.dumps({**row, "questions": asked}))
    return question_lines, scene_lines


def _answer_type(answer: str) -> str:
    return "yes/no" if answer in ("yes", "no") else "number" if answer.isdigit() else "other"


def main(arguments: list[str] | None = None) -> None:
    """`python -m vqa.data.world FOLDER`: write a world."""
    parser = argparse.ArgumentParser(description="Write drawn scenes of coloured shapes with questions.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--questions", type=int, default=8, help="questions a scene (default: 8)")
    parser.add_argument("--size", type=int, default=64, help="pixels (default: 64)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    a = parser.parse_args(arguments)

    def tell(done: int) -> None:
        print(f"\r{done:,} of {a.scenes:,} scenes", end="", file=sys.stderr, flush=True)

    try:
        write_world(a.folder, a.scenes, a.seed, a.questions, a.workers, a.size, tell)
    except InputError as error:
        parser.error(str(error))
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
