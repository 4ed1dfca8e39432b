import pytest
import torch

from vqa.model.configuration import VQAConfig
from vqa.model.question_encoder import QuestionEncoder


def make(**settings) -> QuestionEncoder:
    torch.manual_seed(0)
    return QuestionEncoder(VQAConfig(vocab_size=9, embedding_size=5, hidden_size=8, **settings))


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_vector_by_hand(cell, bidirectional, looks):
    """q = h_T + V Σ_t a_t e_t, with a = softmax(u · tanh(W h_t + b)) over the words, not the padding.

    With several looks q = [h_T; c_1; …], c_k = Σ_t a_kt (h_t + V e_t): each look has weights of its own.
    """
    encoder = make(recurrent_cell=cell, bidirectional=bidirectional, looks=looks, glimpses=1).eval()
    ids, mask = torch.tensor([[3, 1, 7, 0, 0]]), torch.tensor([[1, 1, 1, 0, 0]])
    with torch.no_grad():
        encoded = encoder(ids, mask)
        words = encoder.embedding(ids[0, :3])
        states, last, _ = encoder.recurrent(words[None])
        scores = torch.stack([encoder.score(torch.tanh(encoder.key(h))) for h in states[0]])
        weights = scores.exp() / scores.exp().sum(0)  # (T, K)
        parts = [last[0]]
        for a in weights.T:
            gathered = encoder.gather.weight @ sum(a_t * e_t for a_t, e_t in zip(a, words, strict=True))
            seen = sum(a_t * h_t for a_t, h_t in zip(a, states[0], strict=True))
            parts.append(gathered + seen if looks > 1 else gathered)
    expected = torch.cat(parts) if looks > 1 else sum(parts)
    assert torch.allclose(encoded.vector[0], expected, atol=1e-6)
    assert torch.allclose(encoded.word_weights[0, :3], weights.mean(1), atol=1e-6)
    assert encoded.word_weights[0, 3:].eq(0).all()
    assert torch.allclose(encoded.states[0, :3], states[0], atol=1e-6)


def test_padding_is_never_learned():
    encoder = make()
    ids, mask = torch.tensor([[3, 1, 0, 0], [4, 5, 6, 2]]), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    encoder(ids, mask).vector.sum().backward()
    assert encoder.embedding.weight.grad[0].eq(0).all()
    assert encoder.embedding.weight.grad[1:7].abs().sum(1).gt(0).all()
    assert encoder.embedding.weight.grad[7:].eq(0).all()


def test_word_dropout_is_only_in_training():
    encoder = make(word_dropout=1.0)
    ids, mask = torch.tensor([[3, 1]]), torch.ones(1, 2, dtype=torch.long)
    blind = encoder.train()(ids, mask).vector
    assert torch.equal(blind, encoder(torch.tensor([[5, 6]]), mask).vector)
    assert not torch.allclose(blind, encoder.eval()(ids, mask).vector)
