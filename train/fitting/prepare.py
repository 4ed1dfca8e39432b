"""From files of questions and photos to the arrays, the model and the teachers of a training run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from train.fitting.batches import Questions
from train.fitting.box_labels import BoxKinds, question_places
from train.fitting.caption_words import CaptionWords, read_caption_words
from train.fitting.distillation import Teacher, read_teacher
from train.fitting.photo_labels import PhotoLabels
from train.fitting.photos import MIRRORED, LoadPhotos, Squares, photo_rows, stored_grids
from train.fitting.settings import Data, Settings
from train.fitting.stages import stages_made_by
from train.fitting.surgery import extend
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.pretrained import load_pretrained
from vqa.data.boxes import read_boxes
from vqa.data.examples import Example, reference
from vqa.data.features import FeatureStore
from vqa.data.readers import drop_missing_photos, read_examples
from vqa.data.readers.jsonl import read_pairs
from vqa.data.readers.official import annotations_of
from vqa.data.vocabulary import AnswerVocabulary, build_tokenizer, extend_tokenizer
from vqa.evaluation.answers.scores import Priors
from vqa.model.configuration import VQAConfig
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor, VQAProcessor
from vqa.model.text import MAX_QUESTION_CHARACTERS, YES_NO

SQUARES_GB = 4.0  # of decoded photos in memory, where the image encoder is trained
SPLIT_SEED = 1  # apart from the run's seed, so that all runs are compared on the same photos
HOLDOUT, CALIBRATION, VALIDATION = 0, 3, 4  # streams of that seed
GENERATED = {"boxes", "captions"}  # sources of questions that nobody asked


@dataclass
class Prepared:
    """What a run learns from, and the model that learns.

    train_photos, holdout_photos: the model's photo input for rows of the `Questions` beside them.
    validation: questions that neither the weights nor the choice of an epoch depend on. text: questions without photos.
    photos: how many photos are trained on: those of the training questions, and after these some without questions.
    labels: what is known of these photos. trains_encoder: whether the image encoder is trained; stages: how many of its
    first stages are stored. teachers: finished models of the same words and answers. messages: sentences for the user.
    """

    train: Questions
    holdout: Questions
    validation: list[Example]
    text: Questions | None
    photos: int
    labels: list[PhotoLabels]
    trains_encoder: bool
    stages: int
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
        extra = read_all(data.extra, data.images, messages)
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
    encoder, image_processor = net.image_encoder, processor.image_processor
    trains_encoder, stages = not data.features or settings.optim.frozen_stages > 0, 0
    photos, labels = train_questions.photos, list[PhotoLabels]()
    torch.manual_seed(settings.seed)
    if trains_encoder and data.captions:
        captions = read_caption_words(data.captions, data.caption_images, held_names)
        photos = list(dict.fromkeys((*photos, *captions)))
        words = CaptionWords(photos, captions, encoder.channels)
        labels.append(words)
        messages.append(f"{words.has.sum():,} photos with captions, of which {len(words.words):,} words are learned")
    if data.boxes:
        objects = {name: one for file in data.boxes for name, one in read_boxes(file).items()}
        train_questions.places = question_places(train, objects, *net.grid_size)
        messages.append(f"{train_questions.places.any((1, 2)).sum():,} training questions name things with boxes.")
        if trains_encoder:
            labels.append(BoxKinds(photos, objects, encoder.channels, *net.grid_size))
    made_by = None
    if data.features:
        stages = settings.optim.frozen_stages
        made_by = stages_made_by(encoder, stages, net.config.backbone, image_processor)
        folders = [*data.images, *data.caption_images, *data.validation_images]
        store = FeatureStore.open(data.features, made_by)
        mirrored = FeatureStore.open(data.mirrored, made_by | MIRRORED) if data.mirrored else None
        train_photos = stored_grids(photos, folders, store, mirrored)
        holdout_photos = stored_grids(holdout_questions.photos, folders, store)
        photo_rows(list(dict.fromkeys(e.image for e in validation)), folders, store)  # all are there, also at the end
    else:
        train_photos = Squares(photos, image_processor, SQUARES_GB)
        holdout_photos = Squares(holdout_questions.photos, image_processor, SQUARES_GB)
    train_questions.untaught = np.array([example.source in data.untaught for example in train])
    if settings.optim.presence_offset:
        train_questions.presence = np.array([presence(example) for example in train])
        if not ({0, 1} <= {*train_questions.presence} and "yes" in answers.index):
            raise InputError(
                "The setting optim.presence_offset requires questions about the training photos for the presence of "
                "things and others with the answers yes and no; add a file of train.box_questions to data.extra, or "
                "leave it out."
            )
    return Prepared(
        train=train_questions,
        holdout=holdout_questions,
        validation=validation,
        text=Questions.build(pairs, answers.index, processor) if pairs else None,
        photos=len(photos),
        labels=labels,
        trains_encoder=trains_encoder,
        stages=stages,
        train_photos=train_photos,
        holdout_photos=holdout_photos,
        net=net,
        teachers=[read_teacher(t, net, processor, made_by, train_questions.photos, stages) for t in settings.teachers],
        processor=processor,
        priors=priors,
        messages=messages,
    )


def read_splits(data: Data, messages: list[str]) -> tuple[list[Example], list[Example], list[Example]]:
    """The questions to train on, those held out and those to validate on. Raises `InputError` if one is empty."""
    most = data.most_answer_words
    examples = read_all(data.train, data.images, messages, most)
    if data.validation:
        validation = read_all(data.validation, data.validation_images or data.images, messages, most)
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
    answers = AnswerVocabulary.build(train, data.answers)
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


def read_all(files: Sequence[str], images: Sequence[str], messages: list[str], most: int = 0) -> list[Example]:
    """All examples of several files. Those that cannot be used, or have an answer of more than `most` words (0: no
    limit), are left out and counted in `messages`."""
    examples: list[Example] = []
    if len(images) not in (0, 1, len(files)):
        raise InputError(
            f"There are {len(files)} files of questions and {len(images)} folders of photos; give each file one, or "
            "give one for all."
        )
    for i, file in enumerate(files):
        folder = None if not images else images[i if len(images) > 1 else 0]
        every = read_examples(file, annotations_of(file), folder)
        present, _ = drop_missing_photos(every)
        if not present:
            raise InputError(
                f"No photo of {file} is in {folder or 'its place'}; name the folder that holds its photos."
            )
        asked = [example for example in present if askable(example.question)]
        short = [example for example in asked if not most or len((reference(example) or "").split()) <= most]
        for before, after, reason in (
            (every, present, "their photo is missing"),
            (present, asked, "they have no words, or too many"),
            (asked, short, "their answers are longer"),
        ):
            if left := len(before) - len(after):
                messages.append(f"{left:,} of {len(before):,} questions of {file} left out: {reason}.")
        examples += short
    return examples


def presence(example: Example) -> int:
    """1 for a question for the presence of a thing, 0 for another one with the answer yes or no, -1 for the rest and
    for those that were made from boxes or captions."""
    if example.question_type == "presence":
        return 1
    return 0 if example.source not in GENERATED and reference(example) in YES_NO else -1


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
