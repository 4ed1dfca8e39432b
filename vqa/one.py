"""One photo in detail: its answers in full, or with the attention over the photo."""

import json
import textwrap
from typing import Any

from vqa import many
from vqa.model.photos import read_photo
from vqa.show import heat, terminal


def ask(photo: str, questions: list[str], top: int, overlay: str | None, as_json: bool, **load: Any) -> None:
    """Answer the questions about one photo in detail; of several, those that cannot be answered are left out."""
    file = read_photo(photo)
    pictures = [] if overlay is None else terminal.numbered(overlay, len(questions))
    for path in pictures:
        heat.check_picture_path(path, photo)
    from vqa.predict import VQA  # takes seconds

    vqa = VQA.load(**load)
    errors = many.check_all(vqa, questions)[1] if len(questions) > 1 else {}
    answers = iter(vqa.ask_many(file, [question for question in questions if question not in errors], top))
    for i, question in enumerate(questions):
        if error := errors.get(question):
            plain = f"{textwrap.shorten(question, 200)}\n{error}\n"
            print(json.dumps({"question": question, "error": error}) if as_json else plain)
            continue
        answer = next(answers)
        if pictures:
            picture = heat.overlay(vqa.look(file).photo, answer.attention, question, terminal.caption(answer.to_dict()))
            heat.save_picture(picture, pictures[i])
        if as_json:
            print(json.dumps(answer.to_dict()))
        else:
            terminal.show(question, answer)
    many.check_failed(len(errors), len(questions))
