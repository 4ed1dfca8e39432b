"""Captions by a model for image-text-to-text, with the methods of `vqa.captioning.describe.Describer`."""

import math
import time
from typing import Any

import numpy as np

from vqa.captioning.describe import Caption, CaptionWord, Describer
from vqa.checkpoint.find import CONFIG, find_checkpoint, read_json
from vqa.foreign import adapter_for, refuse
from vqa.foreign.computing import computing
from vqa.language.decoding import check_seed
from vqa.model.errors import InputError
from vqa.predict import VQA, ours

LONGEST = 40  # tokens of a caption


class ForeignDescriber:
    """See `Describer`. vqa: a `ForeignVQA`. Raises `InputError` for a model that writes no captions."""

    side = None

    def __init__(self, vqa: Any):
        if not hasattr(vqa.adapter, "ready"):
            raise InputError(f"{vqa.name} is a {vqa.kind} model, which writes no captions; name another model.")
        self.vqa, self.name = vqa, vqa.name

    @computing
    def describe(self, photo: Any, temperature: float | None = None, top_p: float = 1.0, seed: int = 0) -> Caption:
        """A caption, greedy, or sampled with a `temperature`, and the attention before each word.

        Raises `InputError` for a photo that cannot be read or a setting out of range.
        """
        if temperature is not None and not (0 < temperature < math.inf and 0 < top_p <= 1):
            raise InputError(f"The temperature is {temperature} and top-p {top_p}; give positive ones, top-p up to 1.")
        if temperature is not None:
            check_seed(seed)
        look, adapter = self.vqa.look(photo), self.vqa.adapter
        start = time.perf_counter()
        with adapter.remembering(look.encoded.features):
            inputs, cache = adapter.ready(look.encoded, [None])
            steps = adapter.decoder.sentence(inputs, cache, LONGEST, temperature, top_p, seed)
        text, tokens = "", []
        words: list[tuple[float, list[np.ndarray]]] = []
        for token, log_probability, layers in steps:
            tokens.append(token)
            text = adapter.tokenizer.decode(tokens, skip_special_tokens=True)
            (attention,) = adapter.maps(look.encoded, layers, 1)
            attention = np.ones((1, 1)) if attention is None else attention
            if len(text.split()) > len(words):  # a new word; a token that adds none belongs to the last one
                words.append((log_probability, [attention]))
            elif words:
                words[-1] = words[-1][0] + log_probability, [*words[-1][1], attention]
        made = [
            CaptionWord(name, math.exp(total), np.mean(maps, 0))
            for name, (total, maps) in zip(text.split(), words, strict=False)
        ]
        seconds = {"photo": look.seconds, "caption": time.perf_counter() - start}
        return Caption(" ".join(text.split()), made, sum(step[1] for step in steps), seconds)


def load_describer(model: str | None, encoder: str | None, device: str, beam: int | None = None) -> Any:
    """A `Describer`, or the same of a foreign model that writes captions. Raises `InputError` as they do.

    model: a captioner's folder, or a model for image-text-to-text; encoder: the model whose image encoder a captioner
    needs; beam: as given, which a foreign model refuses, too.
    """
    if model is not None:
        config = read_json(find_checkpoint(model) / CONFIG)
        if adapter_for(model, config):
            refuse(f"The {config['model_type']} model {model}", beam=beam, encoder=encoder)
            return ForeignDescriber(VQA.load(model, device))
    return Describer.load(model, ours(VQA.load(encoder, device)))
