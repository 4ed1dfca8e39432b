"""Words that start from GloVe."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet
from torch import nn

from train.fitting import word_vectors
from train.fitting.word_vectors import start_from_glove
from vqa.model.errors import InputError

WORDS = {"[PAD]": 0, "[UNK]": 1, "dog": 2, "cat": 3, "glimpsy": 4}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """A package as the real one is laid out, of three words and vectors of four numbers."""
    (tmp_path / "small_glove/data").mkdir(parents=True)
    (tmp_path / "small_glove/__init__.py").touch()
    parquet.write_table(
        pa.table({"index": ["the", "cat", "dog"]}), tmp_path / "small_glove/data/glove_6B_index.parquet"
    )
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "small_glove/data/glove_6B_50d_emb.npy", vectors)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(word_vectors, "PACKAGE", "small_glove")
    return vectors


def embedding(size: int) -> nn.Embedding:
    torch.manual_seed(0)
    return nn.Embedding(len(WORDS), size, padding_idx=0)


def test_known_words_get_their_vectors_and_keep_their_length(package: np.ndarray) -> None:
    words = embedding(6)
    before = words.weight.detach().clone()
    assert start_from_glove(words, WORDS) == "2 of 5 words start from GloVe."
    after = words.weight.detach()
    for row in (0, 1, 4):
        assert torch.equal(after[row], before[row])
    for row, vector in ((2, package[2]), (3, package[1])):
        assert torch.equal(after[row, 4:], torch.zeros(2))
        torch.testing.assert_close(
            after[row, :4] / after[row].norm(), torch.from_numpy(vector / np.linalg.norm(vector))
        )
    torch.testing.assert_close(after[2:4].norm(dim=1).mean(), before[2:4].norm(dim=1).mean())
    torch.testing.assert_close(
        after[2].norm() / after[3].norm(), torch.tensor(np.linalg.norm(package[2]) / np.linalg.norm(package[1]))
    )


@pytest.mark.usefixtures("package")
def test_words_too_narrow_are_refused() -> None:
    with pytest.raises(InputError, match="at least 4"):
        start_from_glove(embedding(3), WORDS)


@pytest.mark.usefixtures("package")
def test_no_known_word_changes_nothing() -> None:
    words = embedding(4)
    before = words.weight.detach().clone()
    assert start_from_glove(words, {"glimpsy": 0}).startswith("0 of 1")
    assert torch.equal(words.weight, before)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_vectors, "PACKAGE", "no_such_glove")
    with pytest.raises(InputError, match="pip install no-such-glove"):
        start_from_glove(embedding(50), WORDS)


def test_the_real_package() -> None:
    """dog lies nearer to cat than to another word, as everybody knows of GloVe."""
    words = {"dog": 0, "cat": 1, "parliament": 2}
    vectors = nn.Embedding(3, 50)
    assert start_from_glove(vectors, words).startswith("3 of 3")
    dog, cat, other = nn.functional.normalize(vectors.weight.detach())
    assert dog @ cat > 0.9 > 0.3 > dog @ other
