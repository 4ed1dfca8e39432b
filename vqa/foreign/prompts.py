"""How a question is put to each family of models, and the photo before it."""

from typing import Any

SHORT = "{question}\nAnswer the question using a single word or phrase."
BRIEF = "{question}\nGive a very brief answer."
# By the model_type of config.json; what stands nowhere here is asked as LLaVA is.
PROMPTS = {
    "paligemma": "answer en {question}",
    "florence2": "<VQA>{question}",
    "blip-2": "Question: {question} Short answer:",
    "instructblip": "Question: {question} Short answer:",
    "idefics": BRIEF,
    "idefics2": BRIEF,
    "idefics3": BRIEF,
    "smolvlm": BRIEF,
    "git": "{question}",
    "pix2struct": "{question}",
}
CAPTIONS = {"paligemma": "caption en", "florence2": "<CAPTION>", "git": "", "blip-2": "a photo of"}
CAPTION = "Describe the photo in one short sentence."
# Where the photo stands without a chat template, in the text or by the processor; elsewhere on a line before the text.
PLACES = {"paligemma": "{photo}{text}", "llava": "USER: {photo}\n{text} ASSISTANT:"}
PLACES |= dict.fromkeys(("florence2", "blip-2", "instructblip", "git", "pix2struct"), "{text}")


def prompt(processor: Any, kind: str, question: str | None, photo: bool = True) -> str | None:
    """The whole text for a question, None for a caption, with a mark where the photo belongs.

    By the checkpoint's chat template, the photo first, if it has one. photo: leave the photo out if False; the result
    is None for a model without a chat template, which cannot be asked without one.
    """
    if question is None:
        text = CAPTIONS.get(kind, CAPTION)
    else:
        text = PROMPTS.get(kind, SHORT).format(question=question.strip())
    if getattr(processor, "chat_template", None):
        content = [{"type": "image"}] * photo + [{"type": "text", "text": text}]
        conversation = [{"role": "user", "content": content}]
        return processor.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
    if not photo:
        return None
    mark = getattr(processor, "image_token", None) or "<image>"
    return PLACES.get(kind, "{photo}\n{text}").format(photo=mark, text=text)
