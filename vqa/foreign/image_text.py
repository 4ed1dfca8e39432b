"""Any checkpoint that transformers can ask about a picture: `AutoModelForImageTextToText` and its processor."""

import copy
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from vqa.data.parallel import batched
from vqa.foreign.decoding import Decoder, Prompted, Written
from vqa.foreign.layout import on_photo, runs, uncropped
from vqa.foreign.model import Reply
from vqa.foreign.prompts import prompt
from vqa.model.errors import InputError

BATCH = 8  # questions that are asked at once
LAYERS = 0.5  # the share of the layers, the last ones, whose attention is averaged
FIRST, SECOND = "what is this?", "is it raining?"  # questions to prepare a photo with, and to compare two ways with
CLOSE, CLOSE_HALF = 1e-3, 0.25  # in log-probability: in float32, and in 16 bits
SPELLED = 4096  # answers whose tokens are remembered


class Encoded(NamedTuple):
    """A photo before its question.

    inputs: what the processor makes of the photo and `FIRST`; tail: how many of its tokens come after the photo's, 0 if
    that is not known. places: the image tokens among `input_ids`. cache, deltas: the keys and values of all tokens but
    the tail, and the offsets of positions that Qwen-VL keeps beside them; None where they are not reused.
    features: what the vision encoder made of the photo. photo: None where keys and values replace it; size: its own.
    """

    photo: Image.Image | None
    size: tuple[int, int]
    inputs: dict[str, Tensor]
    tail: int
    places: list[int]
    cache: Any
    deltas: Any
    features: dict[str, Any]


class Adapter:
    """A model of class `AutoModelForImageTextToText` with its `AutoProcessor`."""

    answers = None
    blind = True
    photos = 4  # whose keys and values are in memory
    note = "Its confidence is the mean probability (geometric) of the answer's tokens."
    classes = (AutoModelForImageTextToText, AutoProcessor)

    def __init__(self, net: Any, processor: Any):  # whose parts and settings transformers leaves untyped
        for part in ("tokenizer", "image_processor"):
            if getattr(processor, part, None) is None:
                raise InputError(
                    f"The model {net.name_or_path} has no {part.replace('_', ' ')} that transformers can load; copy "
                    "its processor_config.json, preprocessor_config.json and tokenizer files, too."
                )
        self.net, self.processor, self.kind = net, processor, net.config.model_type
        self.tokenizer = processor.tokenizer
        self.decoder = Decoder(net, self.tokenizer.all_special_ids)
        vision = getattr(net.config, "vision_config", None)
        size, patch = (getattr(vision, name, None) for name in ("image_size", "patch_size"))
        self.base = size // patch if isinstance(size, int) and isinstance(patch, int) else None
        self.reuse: bool | None = None  # whether the keys and values of a photo serve any question; None: not yet known
        self._spelled: dict[str, list[int]] = {}

    def encode(self, photo: Image.Image) -> Encoded:
        """Prepare a photo: the keys and values of the tokens before the question, if the model can go on after them."""
        inputs = self._inputs(photo, FIRST)
        ids = inputs["input_ids"][0].tolist()
        mark = self._image_token()
        places = [i for i, token in enumerate(ids) if token == mark]
        tail = self._tail(FIRST)
        known = 0 < len(tail) < len(ids) and ids[-len(tail) :] == tail and places and places[-1] < len(ids) - len(tail)
        encoded = Encoded(photo, photo.size, inputs, len(tail) if known else 0, places, None, None, {})
        if self.reuse is None:
            self.reuse = bool(known) and not self.decoder.two_stacks and self._goes_on(encoded)
        return self._cached(encoded) if self.reuse and known else encoded

    def _cached(self, encoded: Encoded) -> Encoded:
        """The same with the keys and values of the tokens before the question."""
        length = encoded.inputs["input_ids"].shape[1]
        inputs = {
            name: value[:, : length - encoded.tail] if value.shape[:2] == (1, length) else value
            for name, value in encoded.inputs.items()
        }
        with self.remembering(encoded.features):
            cache = self.decoder.prompt(inputs, attention=False).cache
        deltas = getattr(self.net.base_model, "rope_deltas", None)
        ids = {"input_ids": encoded.inputs["input_ids"]}
        grid = {name: value for name, value in encoded.inputs.items() if name == "image_grid_thw"}
        return encoded._replace(photo=None, inputs=ids | grid, cache=cache, deltas=deltas, features={})

    def _goes_on(self, encoded: Encoded) -> bool:
        """Whether another question after the photo's keys and values has the log-probabilities of the whole prompt.

        It has not where the photo's tokens attend to the question (PaliGemma).
        """
        with suppress(Exception):  # a model whose forward cannot go on after a cache may raise anything
            first = self._prompted(self._cached(encoded), [SECOND]).first
            whole = self._prompted(encoded, [SECOND]).first
            return bool((first - whole).abs().max() < (CLOSE if self.net.dtype is torch.float32 else CLOSE_HALF))
        return False

    def ask(self, encoded: Encoded, questions: Sequence[str], top: int) -> list[Reply]:
        """The greedy answer to each question, its confidence, and the best of the answers that begin otherwise.

        Confidence: the geometric mean of the probabilities of the answer's tokens, its end included. The scores of the
        others are in the proportion of the probabilities of the whole answers.
        """
        replies: dict[int, Reply] = {}
        for group in self._groups(encoded, questions):
            prompted = self._prompted(encoded, [questions[i] for i in group])
            maps = self.maps(encoded, prompted.attention, len(group))
            answers = self.decoder.branches(prompted, top)
            for i, written, attention in zip(group, answers, maps, strict=True):
                replies[i] = Reply(self._ranked(written), attention)
        return [replies[i] for i in range(len(questions))]

    def score(self, encoded: Encoded, question: str, answers: Sequence[str]) -> list[float]:
        """The confidence of each of these answers, whether or not the model would give it."""
        prompted = self._prompted(encoded, [question], attention=False)
        return [confidence(written) for written in self.decoder.given(prompted, [self._spell(a) for a in answers])]

    def without_photo(self, question: str) -> tuple[str, float] | None:
        """The answer to the question alone; None for a model without a chat template."""
        text = prompt(self.processor, self.kind, question, photo=False)
        if text is None:
            return None
        inputs = self._tokenized(text)
        prompted = self.decoder.prompt(inputs, attention=False)
        return self._ranked(self.decoder.branches(prompted, 1)[0])[0]

    def _ranked(self, written: Sequence[Written]) -> list[tuple[str, float]]:
        """Each answer once, the greedy one first."""
        texts = [self._text(answer.tokens) for answer in written]
        best, whole = confidence(written[0]), sum(written[0].log_probabilities)
        scores: dict[str, float] = {texts[0]: best}
        for text, answer in sorted(zip(texts, written, strict=True), key=lambda pair: -sum(pair[1].log_probabilities)):
            if text and text.lower() not in {name.lower() for name in scores}:
                scores[text] = best * math.exp(min(0.0, sum(answer.log_probabilities) - whole))
        return list(scores.items())

    def _text(self, tokens: list[int]) -> str:
        text = " ".join(self.tokenizer.decode(tokens, skip_special_tokens=True).split()).rstrip(".")
        if len(self._spelled) >= SPELLED:
            self._spelled.clear()
        self._spelled[text] = tokens
        return text

    def _spell(self, answer: str) -> list[int]:
        """The tokens of an answer: as the model has written it last, else as the tokenizer has it."""
        if tokens := self._spelled.get(answer) or self.tokenizer(answer, add_special_tokens=False)["input_ids"]:
            return list(tokens)
        raise InputError(
            f"The model {self.net.name_or_path} has no tokens for the answer {answer!r}; give another one."
        )

    def _groups(self, encoded: Encoded, questions: Sequence[str]) -> Iterator[list[int]]:
        """The questions that can be asked at once: those of equal length, so that none needs padding."""
        groups: dict[Any, list[int]] = {}
        for i, question in enumerate(questions):
            groups.setdefault(i if encoded.cache is None else len(self._tail(question)), []).append(i)
        for group in groups.values():
            yield from batched(group, BATCH)

    def _prompted(self, encoded: Encoded, questions: Sequence[str], attention: bool = True) -> Prompted:
        with self.remembering(encoded.features):
            return self.decoder.prompt(*self.ready(encoded, questions), attention)

    def ready(self, encoded: Encoded, questions: Sequence[str | None]) -> tuple[dict[str, Tensor], Any]:
        """The inputs of `generate`, and the photo's keys and values, None for none; a question that is None asks for a
        caption."""
        if encoded.cache is None:
            (question,) = questions
            assert encoded.photo is not None
            return encoded.inputs if question == FIRST else self._inputs(encoded.photo, question), None
        tails = torch.tensor([self._tail(question) for question in questions], device=self.net.device)
        start = encoded.inputs["input_ids"][:, : -encoded.tail].expand(len(questions), -1)
        ids = torch.cat([start, tails], 1)
        cache = copy.deepcopy(encoded.cache)
        cache.batch_repeat_interleave(len(questions))
        if encoded.deltas is not None:
            self.net.base_model.rope_deltas = encoded.deltas
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, cache

    def _inputs(self, photo: Image.Image, question: str | None) -> dict[str, Tensor]:
        """What the processor makes of a photo and a question."""
        text = prompt(self.processor, self.kind, question)
        special = {"add_special_tokens": False} if self._has_start(text) else {}
        made = self.processor(text=[text], images=[photo], return_tensors="pt", **special).to(self.net.device)
        floats = {name: value.to(self.net.dtype) for name, value in made.items() if value.is_floating_point()}
        return {name: value for name, value in (made | floats).items() if name != "labels"}

    def _tokenized(self, text: str) -> dict[str, Tensor]:
        made = self.tokenizer([text], add_special_tokens=not self._has_start(text), return_tensors="pt")
        return {name: made[name].to(self.net.device) for name in ("input_ids", "attention_mask")}

    def _has_start(self, text: Any) -> bool:
        """Whether the chat template has written the token that begins a text, which is not to be added again."""
        return bool(self.tokenizer.bos_token) and text.startswith(self.tokenizer.bos_token)

    @functools.lru_cache(maxsize=1024)  # noqa: B019 (an adapter lives as long as its model)
    def _tail(self, question: str | None) -> list[int]:
        """The tokens after the mark of the photo."""
        text = prompt(self.processor, self.kind, question) or ""
        ids = self._tokenized(text)["input_ids"][0].tolist()
        mark = self.tokenizer.convert_tokens_to_ids(getattr(self.processor, "image_token", None) or "<image>")
        return ids[len(ids) - ids[::-1].index(mark) :] if mark in ids else []

    def _image_token(self) -> int | None:
        names = ("image_token_id", "image_token_index")
        return next((value for name in names if (value := getattr(self.net.config, name, None)) is not None), None)

    def maps(self, encoded: Encoded, attention: Sequence[Tensor], count: int) -> list[np.ndarray | None]:
        """For each of `count` prompts the attention of the last token to the image tokens, as a map `(h, w)`."""
        length = max((layer.shape[-1] for layer in attention), default=0)
        if not encoded.places or length <= encoded.places[-1]:
            return [None] * count
        layers = [layer for layer in attention if layer.shape[-1] == length]  # not those with a window on the last ones
        weights = self.attended(layers)[:, encoded.places].cpu().numpy()
        size, sizes = encoded.size, encoded.inputs.get("image_grid_thw")
        grid = None if sizes is None else sizes[0, 1:].tolist()
        maps = (on_photo(row, runs(encoded.places), size, grid, self.base) for row in weights)
        return [None if m is None else uncropped(m, size, self.processor.image_processor) for m in maps]

    @staticmethod
    def attended(layers: Sequence[Tensor]) -> Tensor:
        """`(B, S)`: how much the last token attends to each, from the attention `(B, H, T, S)` of all layers: the mean
        over the heads of the last layers (compared with other ways by `tools.foreign.attention`)."""
        return last_token(layers[-max(1, round(LAYERS * len(layers))) :])

    @contextmanager
    def remembering(self, features: dict[str, Any]) -> Iterator[None]:
        """Let the vision encoder run once for a photo: `features` holds what it returned."""
        base = self.net.base_model
        original: Callable[..., Any] | None = getattr(base, "get_image_features", None)
        if original is None:
            yield
            return

        @functools.wraps(original)
        def once(*values: Any, **named: Any) -> Any:
            key = str(named.get("return_dict"))
            if key not in features:
                features[key] = original(*values, **named)
            return features[key]

        base.get_image_features = once
        try:
            yield
        finally:
            del base.get_image_features


def last_token(layers: Sequence[Tensor]) -> Tensor:
    """The attention `(B, S)` of the last token, the mean over the heads of these layers, each `(B, H, T, S)`."""
    return torch.stack([layer[:, :, -1].float().mean(1) for layer in layers]).mean(0)


def confidence(written: Written) -> float:
    """The geometric mean of the probabilities of an answer's tokens."""
    return math.exp(sum(written.log_probabilities) / len(written.log_probabilities))
