"""From files of questions and photos to the arrays, the model and the teachers of a training run."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.extract_features import MIRRORED
from train.fitting.batches import Questions
from train.fitting.caption_words import CaptionedQuestions, CaptionWords
from train.fitting.distillation import Teacher
from train.fitting.photo_cache import Squares
from train.fitting.settings import Data, Settings
from train.fitting.surgery import extend
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.pretrained import load_pretrained
from vqa.checkpoint.provenance import provenance
from vqa.data.examples import Example, reference
from vqa.data.features import FeatureStore, stored_name
from vqa.data.readers import drop_missing_photos, read_examples
from vqa.data.readers.jsonl import read_pairs
from vqa.data.vocabulary import AnswerVocabulary, build_tokenizer, extend_tokenizer
from vqa.evaluation.answers.scores import Priors
from vqa.model.configuration import VQAConfig
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor, VQAProcessor
from vqa.model.text import MAX_QUESTION_CHARACTERS

SPLIT_SEED = 1  # apart from the run's seed, so that all runs are compared on the same photos
HOLDOUT, CALIBRATION, VALIDATION = 0, 3, 4  # streams of that seed
LoadPhotos = Callable[..., dict[str, Tensor]]


@dataclass
class Prepared:
    """What a run learns from, and the model that learns.

    train_photos, holdout_photos: the model's photo input for rows of the `Questions` beside them (see `photo_loader`).
    validation: questions that neither the weights nor the choice of an epoch depend on. text: questions without photos.
    captions: the training questions with captions, if there are any.
    teachers: finished models of the same words and answers. messages: sentences for the user.
    """

    train: Questions
    holdout: Questions
    validation: list[Example]
    text: Questions | None
    captions: CaptionedQuestions | None
    train_photos: LoadPhotos
    holdout_photos: LoadPhotos
    net: VQAModel
    teachers: list[Teacher]
    processor: VQAProcessor
    priors: Priors
    messages: list[str]


def prepare(settings: Settings) -> Prepared:
    """Read the data, hold out some photos, build vocabularies and model: the same for the same settings."""
    data = settings.data
    messages: list[str] = []
    train, holdout, validation = read_splits(data, messages)
    priors = Priors.count(train)
    held_names = {Path(example.image).name for example in (*holdout, *validation)}
    if data.extra:
        extra = read_all(data.extra, [], data.images, messages)
        extra = [example for example in extra if Path(example.image).name not in held_names]
        messages.append(f"{len(extra):,} further questions to train on")
        train += extra
    pairs = []
    if data.text:
        held = {photo_number(name) for name in held_names}
        pairs = merge(pair for pair in read_pairs(Path(data.text)) if str(pair.image_id) not in held)
    net, processor, answers = build(settings, train, [example.question for example in (*train, *pairs)])
    messages.append(
        f"{len(train):,} questions to train on, {len(holdout):,} held out, {len(validation):,} to validate on"
        + (f", {len(pairs):,} different ones without photo" if pairs else "")
        + f"; {len(processor.tokenizer):,} words; {len(answers):,} answers, "
        f"upper bound {answers.upper_bound(holdout):.1f}%"
    )
    if data.often:  # after the vocabularies, which count each question once
        again = [example for example in train if example.source in data.often]
        messages.append(f"{len(again):,} questions of {', '.join(data.often)} occur three times in each epoch.")
        train += again + again
    train_questions, holdout_questions = (Questions.build(part, answers.index, processor) for part in (train, holdout))
    captions, photos = None, train_questions.photos
    if data.captions:
        words = CaptionWords.read(data.captions, data.caption_images, held_names)
        captions = CaptionedQuestions(train_questions, words)
        photos = captions.photos
        messages.append(f"{len(words.photos):,} photos with captions, of which {len(words.words):,} words are learned")
    store, mirrored, made_by = None, None, None
    if data.features:
        made_by = provenance(net.image_encoder.state_dict(), net.config.backbone, processor.image_processor)
        store = FeatureStore.open(data.features, made_by)
        if data.mirrored:
            mirrored = FeatureStore.open(data.mirrored, made_by | MIRRORED)
        photo_rows(
            [example.image for example in validation], data, store
        )  # a missing photo is reported before training
    return Prepared(
        train=train_questions,
        holdout=holdout_questions,
        validation=validation,
        text=Questions.build(pairs, answers.index, processor) if pairs else None,
        captions=captions,
        train_photos=photo_loader(photos, data, store, processor, mirrored),
        holdout_photos=photo_loader(holdout_questions.photos, data, store, processor),
        net=net,
        teachers=[read_teacher(t, net, processor, made_by, train_questions.photos) for t in settings.teachers],
        processor=processor,
        priors=priors,
        messages=messages,
    )


def read_splits(data: Data, messages: list[str]) -> tuple[list[Example], list[Example], list[Example]]:
    """The questions to train on, those held out and those to validate on. Raises `InputError` if one is empty."""
    most = data.most_answer_words
    examples = read_all(data.train, data.train_annotations, data.images, messages, most)
    if data.validation:
        folders = data.validation_images or data.images
        validation = read_all(data.validation, data.validation_annotations, folders, messages, most)
    else:
        examples, validation = split_by_photo(examples, data.validation_share, VALIDATION)
    train, holdout = split_by_photo(examples, data.holdout, HOLDOUT)
    if data.without:
        rest = [example for example in train if example.source not in data.without]
        messages.append(f"{len(train) - len(rest):,} questions of {', '.join(data.without)} are not trained on.")
        train = rest
    for purpose, part in (("train on", train), ("hold out", holdout), ("validate on", validation)):
        if not part:
            raise InputError(
                f"No question is left to {purpose}; change data.holdout ({data.holdout}) or data.validation_share "
                f"({data.validation_share}), or give questions about more photos."
            )
    return train, holdout, validation


def build(
    settings: Settings, train: Sequence[Example], questions: Sequence[str]
) -> tuple[VQAModel, VQAProcessor, AnswerVocabulary]:
    """The model before its training, new or that of `start`, for the words and answers of the training data."""
    data, sizes = settings.data, dict(settings.model)
    answers = AnswerVocabulary.build(train, data.answers, data.min_answer_count)
    if settings.start is not None:
        net, processor = load_checkpoint(None if settings.start == "bundled" else settings.start)
        answers = AnswerVocabulary(tuple(dict.fromkeys((*net.config.answers, *answers.answers))))
        tokenizer = extend_tokenizer(processor.tokenizer, questions, data.min_word_count)
        return extend(net, len(tokenizer), answers.answers), VQAProcessor(processor.image_processor, tokenizer), answers
    tokenizer = build_tokenizer(questions, data.min_word_count)
    weights = sizes.pop("pretrained", "package")
    config = VQAConfig(vocab_size=len(tokenizer), id2label=dict(enumerate(answers.answers)), **sizes)
    torch.manual_seed(settings.seed)
    net = VQAModel(config)
    if weights:
        load_pretrained(net.image_encoder, config.backbone, weights)
    return net, VQAProcessor(VQAImageProcessor(config.image_size), tokenizer), answers


def read_teacher(
    folder: str, net: VQAModel, processor: VQAProcessor, made_by: dict[str, Any] | None, photos: list[str]
) -> Teacher:
    """The model in `folder`. Its photo input is that of `net` where this fits, a store's grids (made by `made_by`) or
    pixels, or else it reads `photos` itself.

    Raises `InputError` if it has other words or other answers than `net`.
    """
    teacher, its = load_checkpoint(folder)
    same = {
        "words": its.tokenizer.get_vocab() == processor.tokenizer.get_vocab(),
        "answers": teacher.config.answers == net.config.answers,
    }
    for what, equal in same.items():
        if not equal:
            raise InputError(f"The teacher in {folder} has other {what} than the model; train it from the same data.")
    reader = its.image_processor
    own = provenance(teacher.image_encoder.state_dict(), teacher.config.backbone, reader)
    shared = reader.size == processor.image_processor.size if made_by is None else own == made_by
    squares = None if shared else Squares(photos, reader.square, reader.size, 0.0)
    return Teacher(teacher.requires_grad_(False), reader, squares)


def read_all(
    files: Sequence[str], annotations: Sequence[str], images: Sequence[str], messages: list[str], most: int = 0
) -> list[Example]:
    """All examples of several files. Those that cannot be used, or have an answer of more than `most` words (0: no
    limit), are left out and counted in `messages`."""
    examples: list[Example] = []
    if len(images) not in (0, 1, len(files)) or len(annotations) not in (0, len(files)):
        raise InputError(
            f"There are {len(files)} files of questions with {len(annotations)} of annotations and {len(images)} "
            "folders of photos; give one of each a file, or one folder for all."
        )
    for i, file in enumerate(files):
        folder = None if not images else images[i if len(images) > 1 else 0]
        found = read_examples(file, annotations[i] if annotations else None, folder)
        present, missing = drop_missing_photos(found)
        if missing:
            messages.append(f"{missing:,} of {len(found):,} questions of {file} left out: their photo is missing.")
        if not present:
            raise InputError(
                f"No photo of {file} is in {folder or 'its place'}; name the folder that holds its photos."
            )
        asked = [example for example in present if askable(example.question)]
        if left := len(present) - len(asked):
            messages.append(f"{left:,} questions of {file} left out: they have no words, or too many.")
        short = [example for example in asked if not most or len((reference(example) or "").split()) <= most]
        if left := len(asked) - len(short):
            messages.append(f"{left:,} of {len(asked):,} questions of {file} left out: their answers are longer.")
        examples += short
    return examples


def askable(question: str) -> bool:
    """Whether the processor accepts it: it has a letter or digit and not too many characters."""
    return len(question) <= MAX_QUESTION_CHARACTERS and any(map(str.isalnum, question))


def split_by_photo(examples: Sequence[Example], share: float, stream: int) -> tuple[list[Example], list[Example]]:
    """The examples of most photos, and those of a `share` of the photos drawn from `(SPLIT_SEED, stream)`."""
    photos = sorted({example.image for example in examples})
    chosen = np.random.default_rng((SPLIT_SEED, stream)).permutation(len(photos))[: round(share * len(photos))]
    held = {photos[i] for i in chosen}
    rest = [example for example in examples if example.image not in held]
    return rest, [example for example in examples if example.image in held]


def merge(pairs: Iterable[Example]) -> list[Example]:
    """One example for each question, with all answers that it has about any photo."""
    answers: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.answer is not None and askable(pair.question):
            answers.setdefault(pair.question.lower(), []).append(pair.answer)
    return [Example("", question, answers=tuple(given)) for question, given in answers.items()]


def photo_number(image: str) -> str:
    """The number in a COCO photo's file name, by which `text` names photos."""
    return Path(image).stem.rpartition("_")[2].lstrip("0") or "0"


def photo_loader(
    photos: list[str],
    data: Data,
    store: FeatureStore | None,
    processor: VQAProcessor,
    mirrored: FeatureStore | None = None,
) -> LoadPhotos:
    """A function from rows of `photos`, and which of them to mirror `(P,)`, to `{"grid": …}` of a feature store (of the
    store `mirrored`), or to `{"squares": …}` read from files."""
    if store is None:
        image_processor = processor.image_processor
        return Squares(photos, image_processor.square, image_processor.size, data.memory)
    where = photo_rows(photos, data, store)
    turned = photo_rows(photos, data, mirrored) if mirrored is not None else where

    def read(rows: np.ndarray, mirror: np.ndarray | None = None) -> dict[str, Tensor]:
        grid = store.read(where[rows], torch.bfloat16)
        if mirrored is not None and mirror is not None and mirror.any():
            grid[mirror] = mirrored.read(turned[rows[mirror]], torch.bfloat16)
        return {"grid": grid}

    return read


def photo_rows(photos: Sequence[str], data: Data, store: FeatureStore) -> np.ndarray:
    """Rows of the photos in the store. Raises `InputError` if it lacks some."""
    photos = list(dict.fromkeys(photos))
    where = store.lookup([stored_name(photo, [*data.images, *data.validation_images]) for photo in photos])
    if len(where) and where.min() < 0:
        raise InputError(
            f"The feature store {store.folder} lacks {int((where < 0).sum()):,} of {len(where):,} photos, such as "
            f"{photos[int(where.argmin())]}; run train.extract_features on their folder with the same --output."
        )
    return where
