"""From files of questions and photos to what the training loop eats."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.extract_features import MIRRORED
from train.fitting.batches import Questions
from train.fitting.caption_words import Captioned, Seen
from train.fitting.distillation import Teacher
from train.fitting.photo_cache import Squares
from train.fitting.settings import Data, Settings
from train.fitting.surgery import grow
from train.fitting.word_vectors import start_from_glove
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.pretrained import load_pretrained
from vqa.checkpoint.provenance import provenance
from vqa.data.examples import Example, reference
from vqa.data.features import FeatureStore, stored_name
from vqa.data.readers import drop_missing_photos, read_examples
from vqa.data.readers.jsonl import read_pairs
from vqa.data.vocabulary import AnswerVocabulary, build_tokenizer, grow_tokenizer
from vqa.evaluation.answers.priors import Priors
from vqa.model.configuration import VQAConfig
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor, VQAProcessor
from vqa.model.reading import MAX_QUESTION_CHARACTERS

LoadPhotos = Callable[..., dict[str, Tensor]]


@dataclass
class Task:
    """What there is to learn, and with what.

    train_photos, holdout_photos: the model's photo input for rows of the `Questions` beside them (see `photo_loader`).
    validation: questions that neither the weights nor the choice of an epoch ever see.
    seen: the training questions with captions, if there are any.
    teachers: other models of the same words and answers.
    said: sentences for the user.
    """

    train: Questions
    holdout: Questions
    validation: list[Example]
    text: Questions | None
    seen: Seen | None
    train_photos: LoadPhotos
    holdout_photos: LoadPhotos
    net: VQAModel
    teachers: list[Teacher]
    processor: VQAProcessor
    priors: Priors
    said: list[str]


def prepare(settings: Settings) -> Task:
    """Read the data, hold out some photos, build vocabularies and model. The same settings give the same task."""
    data = settings.data
    said: list[str] = []
    examples = short(read_all(data.train, data.train_annotations, data.images, said), data.most_answer_words, said)
    if data.validation:
        folders = data.validation_images or data.images
        validation = read_all(data.validation, data.validation_annotations, folders, said)
        validation = short(validation, data.most_answer_words, said)
    else:
        examples, validation = split_by_photo(examples, data.validation_share, data.split_seed, 4)
    train, holdout = split_by_photo(examples, data.holdout, data.split_seed, 0)
    if data.without:
        kept = [example for example in train if example.source not in data.without]
        said.append(f"{len(train) - len(kept):,} questions of {', '.join(data.without)} are not trained on.")
        train = kept
    for purpose, part in (("train on", train), ("hold out", holdout), ("validate on", validation)):
        if not part:
            raise InputError(
                f"No question is left to {purpose}; change data.holdout ({data.holdout}) or data.validation_share "
                f"({data.validation_share}), or give questions about more photos."
            )
    priors = Priors.count(train)
    held_names = {Path(example.image).name for example in (*holdout, *validation)}
    if data.extra:
        extra = read_all(data.extra, [], data.extra_images or data.images, said)
        extra = [example for example in extra if Path(example.image).name not in held_names]
        said.append(f"{len(extra):,} further questions to train on")
        train = [*train, *extra]
    pairs = []
    if data.text:
        held = {photo_number(name) for name in held_names}
        pairs = merge(pair for pair in read_pairs(Path(data.text)) if str(pair.image_id) not in held)
    net, processor, answers = build(settings, train, [example.question for example in (*train, *pairs)])
    alone = f", {len(pairs):,} different ones without photo" if pairs else ""
    said.append(
        f"{len(train):,} questions to train on, {len(holdout):,} held out, {len(validation):,} to validate on{alone}; "
        f"{len(processor.tokenizer):,} words; "
        f"{len(answers):,} answers, upper bound {answers.upper_bound(holdout):.1f}%"
    )
    if data.word_vectors == "package":
        said.append(start_from_glove(net.question_encoder.embedding, processor.tokenizer.get_vocab()))
    if data.often:  # words and answers stay those of each question once
        again = [example for example in train if example.source in data.often]
        said.append(f"{len(again):,} questions of {', '.join(data.often)} stand three times in each pass.")
        train = [*train, *again, *again]
    train_questions, holdout_questions = (Questions.build(part, answers.index, processor) for part in (train, holdout))
    seen = None
    if data.captions:
        captioned = Captioned.read(data.captions, data.caption_images, held_names, data.min_caption_words)
        seen = Seen(train_questions, captioned)
        said.append(
            f"{len(captioned.photos):,} photos with captions, of which {len(captioned.words):,} words are learned"
        )
    store, mirrored, made_by = None, None, None
    if data.features:
        made_by = provenance(net.image_encoder.state_dict(), net.config.backbone, processor.image_processor)
        store = FeatureStore.open(data.features, made_by)
        if data.mirrored:
            mirrored = FeatureStore.open(data.mirrored, made_by | MIRRORED)
    photos = train_questions.photos
    teachers = [read_teacher(folder, net, processor, made_by, photos) for folder in settings.teachers]
    # a store that lacks a validation photo is told now and not when all is trained
    photo_loader(list({example.image: None for example in validation}), data, store, processor)
    return Task(
        train=train_questions,
        holdout=holdout_questions,
        validation=validation,
        text=Questions.build(pairs, answers.index, processor) if pairs else None,
        seen=seen,
        train_photos=photo_loader(seen.photos if seen else train_questions.photos, data, store, processor, mirrored),
        holdout_photos=photo_loader(holdout_questions.photos, data, store, processor),
        net=net,
        teachers=teachers,
        processor=processor,
        priors=priors,
        said=said,
    )


def build(
    settings: Settings, train: Sequence[Example], questions: Sequence[str]
) -> tuple[VQAModel, VQAProcessor, AnswerVocabulary]:
    """The model before its training, new or the one to start from, for the words and answers of the training data."""
    data, m = settings.data, settings.model
    answers = AnswerVocabulary.build(train, data.answers, data.min_answer_count)
    if settings.start is not None:
        net, processor = load_checkpoint(None if settings.start == "bundled" else settings.start)
        answers = AnswerVocabulary(tuple(dict.fromkeys((*net.config.answers, *answers.answers))))
        tokenizer = grow_tokenizer(processor.tokenizer, questions, data.min_word_count)
        return grow(net, len(tokenizer), answers.answers), VQAProcessor(processor.image_processor, tokenizer), answers
    tokenizer = build_tokenizer(questions, data.min_word_count)
    sizes = {name: value for name, value in vars(m).items() if name != "pretrained"}
    torch.manual_seed(settings.seed)
    net = VQAModel(VQAConfig(vocab_size=len(tokenizer), id2label=dict(enumerate(answers.answers)), **sizes))
    if m.pretrained:
        load_pretrained(net.image_encoder, m.backbone, m.pretrained)
    return net, VQAProcessor(VQAImageProcessor(m.image_size), tokenizer), answers


def read_teacher(
    folder: str, net: VQAModel, processor: VQAProcessor, made_by: dict[str, Any] | None, photos: list[str]
) -> Teacher:
    """The model in `folder`. It sees what `net` sees, a store's grids (made by `made_by`) or `photos`, or else reads
    `photos` itself. Raises `InputError` if it has other words or other answers than `net`."""
    teacher, its = load_checkpoint(folder)
    same = {
        "words": its.tokenizer.get_vocab() == processor.tokenizer.get_vocab(),
        "answers": teacher.config.answers == net.config.answers,
    }
    for what, equal in same.items():
        if not equal:
            raise InputError(f"The teacher in {folder} has other {what} than the model; train it from the same data.")
    eyes = its.image_processor
    own = provenance(teacher.image_encoder.state_dict(), teacher.config.backbone, eyes)
    alike = eyes.size == processor.image_processor.size if made_by is None else own == made_by
    return Teacher(teacher.requires_grad_(False), eyes, None if alike else Squares(photos, eyes.square, eyes.size, 0.0))


def read_all(files: Sequence[str], annotations: Sequence[str], images: Sequence[str], said: list[str]) -> list[Example]:
    """All examples of several files; those whose photo is missing are left out, counted and told in `said`."""
    examples: list[Example] = []
    if len(images) not in (0, 1, len(files)) or len(annotations) not in (0, len(files)):
        raise InputError(
            f"There are {len(files)} files of questions with {len(annotations)} of annotations and {len(images)} "
            "folders of photos; give one of each a file, or one folder for all."
        )
    for i, file in enumerate(files):
        folder = None if not images else images[i if len(images) > 1 else 0]
        found = read_examples(file, annotations[i] if annotations else None, folder)
        kept, missing = drop_missing_photos(found)
        if missing:
            said.append(f"{missing:,} of {len(found):,} questions of {file} left out: their photo is missing.")
        asked = [example for example in kept if askable(example.question)]
        if len(asked) < len(kept):
            said.append(f"{len(kept) - len(asked):,} questions of {file} left out: they have no words, or too many.")
        if not kept:
            raise InputError(
                f"No photo of {file} is in {folder or 'its place'}; name the folder that holds its photos."
            )
        examples += asked
    return examples


def short(examples: list[Example], most: int, said: list[str]) -> list[Example]:
    """Those whose answer has at most so many words, all of them for 0; the others are counted in `said`."""
    if not most:
        return examples
    kept = [example for example in examples if len((reference(example) or "").split()) <= most]
    said.append(f"{len(examples) - len(kept):,} of {len(examples):,} questions left out: their answers are longer.")
    return kept


def askable(question: str) -> bool:
    """Whether a processor reads it: it has a letter or digit and not too many characters."""
    return len(question) <= MAX_QUESTION_CHARACTERS and any(map(str.isalnum, question))


def split_by_photo(
    examples: Sequence[Example], share: float, seed: int, stream: int
) -> tuple[list[Example], list[Example]]:
    """The examples of most photos, and those of a `share` of the photos drawn from `(seed, stream)`."""
    photos = sorted({example.image for example in examples})
    chosen = np.random.default_rng((seed, stream)).permutation(len(photos))[: round(share * len(photos))]
    held = {photos[i] for i in chosen}
    rest = [example for example in examples if example.image not in held]
    return rest, [example for example in examples if example.image in held]


def merge(pairs: Iterable[Example]) -> list[Example]:
    """One example a question, with the answers that it got about whatever photo."""
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
    names = [stored_name(photo, [*data.images, *data.extra_images, *data.validation_images]) for photo in photos]
    where, turned = (find(names, photos, found) for found in (store, mirrored))

    def read(rows: np.ndarray, mirror: np.ndarray | None = None) -> dict[str, Tensor]:
        grid = store.read(where[rows], torch.bfloat16)
        if mirrored is not None and mirror is not None and mirror.any():
            grid[mirror] = mirrored.read(turned[rows[mirror]], torch.bfloat16)
        return {"grid": grid}

    return read


def find(names: list[str], photos: list[str], store: FeatureStore | None) -> np.ndarray:
    """Rows of the photos in the store, none without one. Raises `InputError` if it lacks some."""
    if store is None:
        return np.empty(0, dtype=np.int64)
    where = store.lookup(names)
    if len(where) and where.min() < 0:
        lost = photos[int(where.argmin())]
        raise InputError(
            f"The feature store {store.folder} lacks {int((where < 0).sum()):,} of {len(where):,} photos, such as "
            f"{lost}; run train.extract_features on their folder with the same --output."
        )
    return where
