"""Captions and grids for the captioner, in batches of photos whose captions have about the same length."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from train.extract_features import extract, list_photos
from vqa.captioning.words import PAD, Words
from vqa.checkpoint.load import load_checkpoint
from vqa.data.features import FeatureStore
from vqa.data.readers.text_files import json_rows
from vqa.model.errors import InputError

CAPTIONS = 5  # of a photo in a batch


def encode(images: list[Path], stores: list[Path], model: str | None) -> None:
    """Fill each feature store with the photos of its folder, by the image encoder of a checkpoint.

    Raises `InputError` for another number of folders than of stores, a model that cannot be read, or a store of another
    encoder.
    """
    if len(images) != len(stores):
        raise InputError("--images and --features have different lengths; give each folder of photos its store.")
    net, processor = load_checkpoint(model)
    for folder, store in zip(images, stores, strict=True):
        photos, backbone = list_photos([folder]), net.config.backbone
        print(extract(photos, store, net.image_encoder, backbone, processor.image_processor), flush=True)


@dataclass(frozen=True)
class CaptionedPhoto:
    """A photo's name, its captions, and its row in the feature store number `store`."""

    photo: str
    captions: list[str]
    store: int
    row: int


def captioned(path: Path) -> Iterator[tuple[str, list[str], str]]:
    """Each photo's name and captions, of JSON lines with "image" and "captions", and where its line is.

    Raises `InputError` for a file that cannot be read, or a line without these.
    """
    for line, where in json_rows(path):
        captions = line.get("captions") if isinstance(line, dict) else None
        name = line.get("image") if isinstance(line, dict) else None
        texts = [text for text in captions if isinstance(text, str)] if isinstance(captions, list) else []
        if not isinstance(name, str) or not texts or texts != captions:
            raise InputError(f"{where} has no 'image' and list of texts 'captions'; correct or delete it.")
        yield name, texts, where


def read_captions(files: list[Path], stores: list[FeatureStore]) -> list[CaptionedPhoto]:
    """The photos of JSON-lines files with "image" and "captions", each file with its store.

    Raises `InputError` for a line without these, a file without lines, or a photo that the store lacks.
    """
    found = []
    for number, (path, store) in enumerate(zip(files, stores, strict=True)):
        for name, texts, where in captioned(path):
            row = int(store.lookup([name])[0])
            if row < 0:
                raise InputError(f"{where} names {name}, which {store.folder} lacks; extract its features first.")
            found.append(CaptionedPhoto(name, texts, number, row))
        if not found or found[-1].store != number:
            raise InputError(f"{path} has no captions; give JSON lines with 'image' and 'captions'.")
    return found


class Batches:
    """Grids `(P, N, D)` and captions `(P, 5, T + 1)`: five a photo, repeated where it has fewer, drawn from more."""

    def __init__(self, photos: list[CaptionedPhoto], stores: list[FeatureStore], words: Words, size: int, most: int):
        self.photos, self.stores, self.size, self.most = photos, stores, size, most
        self.ids = [[words.encode(caption, most) for caption in photo.captions] for photo in photos]
        self.longest = np.array([max(map(len, ids)) for ids in self.ids])

    def __len__(self) -> int:
        return -(-len(self.photos) // self.size)

    def epoch(self, seed: int) -> list[np.ndarray]:
        """The photos of each batch, of similar longest caption but otherwise at random; batches in random order."""
        rng = np.random.default_rng(seed)
        order = np.lexsort((rng.random(len(self.photos)), self.longest))
        parts = [order[start : start + self.size] for start in range(0, len(order), self.size)]
        return [parts[i] for i in rng.permutation(len(parts))]

    def load(self, chosen: np.ndarray, seed: int) -> tuple[Tensor, Tensor]:
        """One batch, whose grids are read from disk."""
        rng = np.random.default_rng(seed)
        rows = []
        for ids in (self.ids[i] for i in chosen):
            order = rng.permutation(len(ids)) if len(ids) >= CAPTIONS else np.arange(CAPTIONS) % len(ids)
            rows += [torch.tensor(ids[j]) for j in order[:CAPTIONS]]
        padded = pad_sequence(rows, batch_first=True, padding_value=PAD)
        return self.grids(chosen), padded.unflatten(0, (len(chosen), CAPTIONS))

    def grids(self, chosen: np.ndarray) -> Tensor:
        first = self.stores[0]
        grid = torch.empty(len(chosen), first.places, first.channels)
        for number, store in enumerate(self.stores):
            here = [place for place, i in enumerate(chosen) if self.photos[i].store == number]
            if here:
                grid[here] = store.read([self.photos[chosen[place]].row for place in here])
        return grid

    def in_order(self) -> Iterator[Tensor]:
        """The grids of all photos, batch by batch."""
        for start in range(0, len(self.photos), self.size):
            yield self.grids(np.arange(start, min(start + self.size, len(self.photos))))
