"""The settings of a model: every argument of its constructor. Needs neither PyTorch nor transformers."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin

from .errors import InputError
from .text import KINDS, UNCALIBRATED

MODEL_TYPE = "glimpse"
MOST = {"image_size": 4096, "num_layers": 16, "glimpses": 64, "looks": 64}


@dataclass(kw_only=True)
class VQASettings:
    """The settings of a `VQANet`.

    backbone: the image encoder by name, `timm:<name>`, `torchvision:<name>` or `tiny`.
    image_size: side in pixels of the square that a photo is resized to.
    even_lengths: scale each place's vector to the same length; False for a CNN trained from scratch, whose lengths are
        informative.
    coordinates: append each cell's (x, y) in [-1, 1] to its vector, so that 'left of' can be learned; with `cells` its
        row and its column, a channel for each, so that distances can be learned too.
    vocab_size, embedding_size: number of words of the question encoder, and the size of a word's vector.
    recurrent_cell, num_layers, bidirectional, hidden_size: the question encoder's recurrent core;
        `hidden_size` is that of one direction.
    attention, glimpses, attention_size: `soft` weights all places, `hard` selects one, `none` takes the mean.
    looks: with more than one, `MultiAttention` is the attention: each look reads words of its own and knows what the
        looks before it saw.
    fusion, fusion_size: how question and glimpses are joined, there and in the attention's scores.
    blind_size, image_only_size: hidden sizes of the two heads that answer without photo and without question.
    dropout: at the inputs of the joint and answer layers; `word_dropout`: on word vectors.
    loss: `sigmoid` is binary cross-entropy on soft scores; `softmax` is cross-entropy with soft targets.
    temperature, blind_temperature: the logits are divided by these before the softmax that gives the
        confidence (Guo et al. 2017).
    yes_no_temperature: replaces `temperature` if the best answer is yes or no, whose confidence needs another scale;
        None: `temperature` applies to all answers.
    temperature_slope, yes_no_temperature_slope: a temperature t with the slope k is t exp(k (p - 1/2)) for an answer
        whose probability is p before the scaling.
    sure: the lowest confidence of an answer that is stated as sure, for each answer kind ('yes/no', 'number',
        'other'); 1 is practically never reached. A kind that is missing has 1/3.
    id2label: answer index to answer text.

    Raises `InputError` for a value that is not among the choices.
    """

    backbone: str = "timm:tf_efficientnet_lite0"
    image_size: int = 224
    even_lengths: bool = True
    coordinates: bool | Literal["cells"] = False
    vocab_size: int = 2
    embedding_size: int = 300
    recurrent_cell: Literal["rnn", "lstm", "gru"] = "lstm"
    num_layers: int = 1
    bidirectional: bool = False
    hidden_size: int = 512
    attention: Literal["soft", "hard", "none"] = "soft"
    glimpses: int = 2
    looks: int = 1
    attention_size: int = 512
    fusion: Literal["product", "concat"] = "product"
    fusion_size: int = 1024
    blind_size: int = 512
    image_only_size: int = 256
    dropout: float = 0.5
    word_dropout: float = 0.0
    loss: Literal["sigmoid", "softmax"] = "sigmoid"
    temperature: float = 1.0
    temperature_slope: float = 0.0
    yes_no_temperature: float | None = None
    yes_no_temperature_slope: float = 0.0
    blind_temperature: float = 1.0
    sure: dict[str, float] = field(default_factory=dict)
    id2label: dict[int, str] | None = None

    @classmethod
    def read(cls, config: dict[str, Any]) -> "VQASettings":
        """The settings in the content of a config.json, which has others, too."""
        settings = cls(**{known.name: config[known.name] for known in fields(cls) if known.name in config})
        settings.id2label = {int(index): answer for index, answer in (settings.id2label or {}).items()}
        settings.check()
        return settings

    def check(self) -> None:
        """Raise an `InputError` for a value that is not among the choices."""
        for setting in fields(VQASettings):
            kind: Any = setting.type
            name, value = setting.name, getattr(self, setting.name)
            if name in CHOICES and value not in CHOICES[name]:
                choices = ", ".join(map(str, CHOICES[name]))
                raise InputError(f"The model's {name} is {value!r}; choose one of {choices}.")
            if kind in (bool, int, float, str):
                if not (type(value) is kind or (kind is float and type(value) is int)):
                    raise InputError(f"The model's {name} is {value!r:.40}, no {kind.__name__}; correct config.json.")
                if kind is int and not 1 <= value <= (most := MOST.get(name, 1 << 20)):
                    raise InputError(f"The model's {name} is {value}; give a number from 1 to {most:,}.")
                if name.endswith("dropout") and not 0 <= value <= 1:
                    raise InputError(f"The model's {name} is {value}; give a share from 0 to 1.")
        for name, default in UNCALIBRATED.items():
            value, (least, most) = getattr(self, name), (-10, 10) if name.endswith("slope") else (0.001, 1000)
            number = isinstance(value, int | float) and least <= value <= most
            if not (number or (value is None and default is None)):
                raise InputError(
                    f"The model's {name} is {value}; set a number from {least} to {most:,} in its config.json."
                )
        if not all(kind in KINDS and isinstance(x, int | float) and 0 <= x <= 1 for kind, x in self.sure.items()):
            kinds = ", ".join(KINDS)
            raise InputError(f"The model's sure is {self.sure}; give a confidence from 0 to 1 for each of {kinds}.")
        if self.attention != "soft" and self.glimpses != 1:
            raise InputError(f"Attention '{self.attention}' has one glimpse, not {self.glimpses}; set glimpses to 1.")
        if self.looks > 1 and (self.attention, self.glimpses) != ("soft", 1):
            raise InputError(f"Each of {self.looks} looks is one soft glimpse; set attention soft and glimpses 1.")

    @property
    def answers(self) -> list[str]:
        """The answers that the model can give, by index."""
        names: dict = self.id2label or {}
        return [names[i] for i in range(len(names))]

    @property
    def state_size(self) -> int:
        """Size of the question encoder's states: the hidden sizes of both directions together."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    @property
    def question_size(self) -> int:
        """Size of the question's vector; with several looks it also holds what each of them asks."""
        return self.state_size * (1 + self.looks if self.looks > 1 else 1)


# What each setting that is not free may be.
CHOICES: dict[str, tuple] = {"coordinates": (False, True, "cells")} | {
    setting.name: get_args(setting.type) for setting in fields(VQASettings) if get_origin(setting.type) is Literal
}
