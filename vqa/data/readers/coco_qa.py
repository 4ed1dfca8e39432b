"""The original COCO-QA folder: questions, answers, types and photo numbers in four files, line by line.

Source: Ren et al., "Exploring Models and Data for Image Question Answering", NeurIPS 2015.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from vqa.data.examples import Example, example_from_dict
from vqa.data.readers.photo_names import PhotoNames
from vqa.data.readers.text_files import numbered_lines
from vqa.model.errors import InputError

FILES = ("questions.txt", "answers.txt", "types.txt", "img_ids.txt")
TYPES = {"0": "object", "1": "number", "2": "color", "3": "location"}
# The training questions are about photos of COCO's train2014, the test questions about val2014.
_PREFIXES = ("", "COCO_train2014_", "COCO_val2014_")
_PHOTO = re.compile(r"[0-9]{1,12}")


def read_coco_qa(folder: Path, images: Path | None = None) -> Iterator[Example]:
    """Yields the examples of one split of COCO-QA (its folder `train` or `test`).

    `question_type` is object, number, color or location. Number words become digits when answers are normalised, so
    that "two" is the "2" of the other data sets. Raises `InputError` if one of the four files is missing, they differ
    in length, or a line is invalid.
    """
    columns = {name: [line.strip() for _, line in numbered_lines(folder / name)] for name in FILES}
    for lines in columns.values():
        while lines and not lines[-1]:
            lines.pop()
    if len(set(map(len, columns.values()))) > 1:
        counted = ", ".join(f"{name} {len(lines)}" for name, lines in columns.items())
        raise InputError(f"The files of {folder} differ in their number of lines ({counted}): download them again.")
    photo = PhotoNames(images, _PREFIXES)
    for number, (question, answer, kind, image_id) in enumerate(zip(*columns.values(), strict=True), start=1):
        where = f"Line {number} of the files of {folder}"
        if not _PHOTO.fullmatch(image_id):
            raise InputError(f"{where}: {image_id!r:.80} in img_ids.txt is not a COCO photo number: correct it.")
        if kind not in TYPES:
            raise InputError(f"{where}: {kind!r:.80} in types.txt is not a type from 0 to 3: correct it.")
        row = {
            "image": photo(int(image_id)),
            "question": question,
            "answer": answer,
            "question_id": number - 1,
            "image_id": int(image_id),
            "question_type": TYPES[kind],
            "source": "coco-qa",
        }
        yield example_from_dict(row, where)
