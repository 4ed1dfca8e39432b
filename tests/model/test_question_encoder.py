import pytest
import torch

from vqa.model.configuration import VQAConfig
from vqa.model.question_encoder import QuestionEncoder


def make(**settings) -> QuestionEncoder:
    torch.manual_seed(0)
    sizes = {"vocab_size": 9, "embedding_size": 5, "hidden_size": 8}
    return QuestionEncoder(VQAConfig(**(sizes | settings)))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_vector_by_hand(cell, bidirectional):
    """q = h_T + V Σ_t a_t e_t, with a = softmax(u · tanh(W h_t + b)) over the words, not the padding."""
    encoder = make(recurrent_cell=cell, bidirectional=bidirectional).eval()
    ids, mask = torch.tensor([[3, 1, 7, 0, 0]]), torch.tensor([[1, 1, 1, 0, 0]])
    with torch.no_grad():
        encoded = encoder(ids, mask)
        words = encoder.embedding(ids[0, :3])
        states, last, _ = encoder.recurrent(words[None])
        scores = torch.stack([encoder.score(torch.tanh(encoder.key(h)))[0] for h in states[0]])
        weights = scores.exp() / scores.exp().sum()
        gathered = sum(weight * word for weight, word in zip(weights, words, strict=True))
    assert torch.allclose(encoded.word_weights[0, :3], weights, atol=1e-6)
    assert encoded.word_weights[0, 3:].eq(0).all()
    assert torch.allclose(encoded.vector[0], last[0] + encoder.gather.weight @ gathered, atol=1e-6)
    assert torch.allclose(encoded.states[0, :3], states[0], atol=1e-6)


def test_what_each_look_asks_by_hand():
    """q = [h_T; c_1; …], c_k = Σ_t a_kt (h_t + V e_t): each look has weights of its own, over the words alone."""
    encoder = make(looks=2, glimpses=1, bidirectional=True).eval()
    ids, mask = torch.tensor([[3, 1, 7, 0, 0]]), torch.tensor([[1, 1, 1, 0, 0]])
    with torch.no_grad():
        encoded = encoder(ids, mask)
        words = encoder.embedding(ids[0, :3])
        states, last, _ = encoder.recurrent(words[None])
        scores = torch.stack([encoder.score(torch.tanh(encoder.key(h))) for h in states[0]])
        weights = scores.exp() / scores.exp().sum(0)  # (T, K)
        parts = [last[0]]
        for k in range(2):
            both = zip(weights[:, k], states[0], words, strict=True)
            parts.append(sum(weight * (h + encoder.gather.weight @ word) for weight, h, word in both))
    assert encoded.vector.shape == (1, 48)
    assert torch.allclose(encoded.vector[0], torch.cat(parts), atol=1e-6)
    assert torch.allclose(encoded.word_weights[0, :3], weights.mean(1), atol=1e-6)
    assert encoded.word_weights[0, 3:].eq(0).all()


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
