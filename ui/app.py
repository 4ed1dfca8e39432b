"""The app: one page that takes a photo and a question, answers, and shows where the model looked."""

import html
import importlib.util
import os
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr
from gradio.utils import get_upload_folder

from vqa.errors import InputError
from vqa.explain import overlay, places
from vqa.predict import VQA, Answer

SYSTEM_FONTS = ("ui-sans-serif", "system-ui", "sans-serif")  # nothing is fetched from a font server
MONO_FONTS = ("ui-monospace", "monospace")
EXAMPLES = (
    ("astronaut.png", "what is the woman wearing?"),
    ("coffee.png", "what is in the cup?"),
    ("chelsea.png", "what animal is this?"),
)
STYLE = """
.headline { font-size: 1.6rem; font-weight: 600; margin: 0 }
.error { font-size: 1.1rem; margin: 0 }
.note { opacity: .75; margin: .2rem 0 0 }
.words span { display: inline-block; padding: .15rem .5rem; margin: .3rem .3rem 0 0; border-radius: .4rem }
"""


def build_app(vqa: VQA) -> gr.Blocks:
    """The page over a loaded model; `launch` opens it, with its theme and style."""
    with gr.Blocks(title="Glimpse", analytics_enabled=False) as app:
        gr.Markdown("# Glimpse\nAsk a photo a question, and see where the model looked.")
        with gr.Row():
            with gr.Column():
                photo_box = gr.Image(
                    label="Photo",
                    type="filepath",
                    sources=["upload", "clipboard", "webcam"],
                    height=380,
                    elem_id="photo",
                )
                question_box = gr.Textbox(
                    label="Question", placeholder="what is on the table?", max_lines=3, elem_id="question"
                )
                button = gr.Button("Ask", variant="primary", elem_id="ask")
            with gr.Column():
                answer = gr.HTML(label="Answer", elem_id="answer")
                best = gr.Label(label="Best answers", show_heading=False, visible=False, elem_id="best")
                words = gr.HTML(elem_id="words")
        picture = gr.Image(
            show_label=False,
            type="pil",
            format="png",
            interactive=False,
            visible=False,
            buttons=["download", "fullscreen"],
            elem_id="overlay",
        )
        result = gr.JSON(visible=False)
        if files := example_photos():
            gr.Examples(files, [photo_box, question_box], label="Examples")

        def show(photo: dict[str, Any] | None, question: str) -> tuple:
            try:
                content = photo_bytes(photo)
                found = vqa.ask(content, question)
            except InputError as error:
                gr.Warning(html.escape(str(error)), duration=5)
                return paragraph("error", str(error)), gr.Label(visible=False), "", gr.Image(visible=False)
            scores = {score.answer: score.score for score in found.top}
            where = overlay(vqa.look(content).photo, found.attention)
            return (
                answer_html(found),
                gr.Label(scores, visible=True),
                words_html(found),
                gr.Image(where, visible=True),
            )

        def ask(photo: dict[str, Any] | None, question: str) -> dict[str, Any]:
            """Answer a question about a photo: the object that `vqa ask --json` prints."""
            try:
                return vqa.ask(photo_bytes(photo), question).to_dict()
            except InputError as error:
                raise gr.Error(str(error), print_exception=False) from error

        # Without gradio's preprocessing it is `open_photo` that opens the file and says what is wrong with it.
        # One question is answered at a time.
        shared = {"inputs": [photo_box, question_box], "preprocess": False, "concurrency_id": "model"}
        outputs = [answer, best, words, picture]
        asked = [question_box.submit, button.click]
        gr.on(asked, show, outputs=outputs, api_visibility="private", **shared)
        gr.on([], ask, outputs=result, api_name="ask", **shared)
    return app


def launch(model: str | None = None, host: str = "127.0.0.1", port: int = 7860, device: str = "auto") -> None:
    """Load a model and serve the app until Ctrl-C.

    Raises `InputError` for a model that cannot be read or an address that cannot be had.
    """
    if not 1 <= port <= 65535:
        raise InputError(f"The port is {port}; choose one from 1 to 65535.")
    if ":" in host:
        raise InputError(f"The app cannot listen on the IPv6 address {host}; use 127.0.0.1 or a name.")
    app = build_app(VQA.load(model, device))
    address = open_app(app, host, port)
    print(f"Glimpse is open on {address} (Ctrl-C ends it).", flush=True)
    app.block_thread()


def open_app(app: gr.Blocks, host: str, port: int) -> str:
    """Serve the page, with nothing fetched from elsewhere, and return its address.

    Raises `InputError` for an address that cannot be had.
    """
    try:
        _, address, _ = app.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            footer_links=["api"],
            run_history=False,
            max_file_size="64mb",
            theme=gr.themes.Default(font=SYSTEM_FONTS, font_mono=MONO_FONTS),
            css=STYLE,
        )
    except OSError as error:
        raise InputError(f"The address {host}:{port} cannot be had; choose another --port or --host.") from error
    return address


def photo_bytes(photo: dict[str, Any] | None) -> bytes:
    """The uploaded file's content; its name on this machine is nothing to show to a user.

    Only uploads are read: gradio lets a path through that somebody has sent without its usual `meta` field.
    """
    if not photo or not photo.get("path"):
        raise InputError("There is no photo yet; upload, paste or take one first.")
    path = Path(photo["path"]).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()) or not path.is_file():
        raise InputError("The photo was not uploaded; upload it first.")
    return path.read_bytes()


def paragraph(kind: str, text: str) -> str:
    """A line of the page, of the class `kind` in `STYLE`."""
    return f'<p class="{kind}">{html.escape(text)}</p>'


def answer_html(answer: Answer) -> str:
    """The answer, how sure it is, what a guess would be, and where it looked."""
    blind = answer.blind
    notes = [f"Without looking: {blind.answer} ({blind.score:.0%}).", f"Looked at: {places(answer.attention)}."]
    if answer.unknown_words:
        notes.append(f"Words that it does not know: {', '.join(answer.unknown_words)}.")
    headline = paragraph("headline", f"{answer.text} ({answer.confidence:.0%})")
    return headline + "".join(paragraph("note", note) for note in notes)


def words_html(answer: Answer) -> str:
    """The question's words, the deeper in colour the more they counted."""
    top = max(word.weight for word in answer.words)
    spans = "".join(
        f'<span style="background: rgba(227, 88, 50, {0.6 * word.weight / top:.2f})">'
        f"{html.escape(word.word)} <small>{word.weight:.0%}</small></span>"
        for word in answer.words
    )
    return f'<div class="words">{paragraph("note", "What counted in the question")}{spans}</div>'


def example_photos() -> list[list[str]]:
    """Photos that scikit-image carries (CC0), each with a question; none if it is not installed."""
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        return []
    photos = [(Path(package.origin).parent / "data" / name, question) for name, question in EXAMPLES]
    return [[str(path), question] for path, question in photos if path.is_file()]
