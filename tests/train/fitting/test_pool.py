"""A guess mixed into the answer, by weights alone."""

import pytest
import torch

from train.fitting.pool import SHARES, best_share, pool
from vqa.model.configuration import VQAConfig
from vqa.model.model import VQAModel


@pytest.mark.parametrize("fusion", ["product", "concat"])
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_the_pooled_model_gives_the_mixed_logits(fusion: str, share: float) -> None:
    torch.manual_seed(0)
    sizes = {"embedding_size": 8, "hidden_size": 8, "attention_size": 16, "fusion_size": 24, "blind_size": 12}
    answers = dict(enumerate(["yes", "no", "2"]))
    net = VQAModel(VQAConfig(backbone="tiny", image_size=16, vocab_size=9, id2label=answers, fusion=fusion, **sizes))
    net.eval()
    input_ids, mask, photos = torch.randint(1, 9, (5, 4)), torch.ones(5, 4, dtype=torch.long), torch.rand(5, 3, 16, 16)
    with torch.inference_mode():
        before, after = net(input_ids, mask, photos), pool(net, share).eval()(input_ids, mask, photos)
        blind = net.blind_logits(before.question)
    torch.testing.assert_close(after.logits, (1 - share) * before.logits + share * blind)
    torch.testing.assert_close(after.attention, before.attention)
    assert after.logits.std() > 1e-3


def test_no_share_is_the_model_itself(net: VQAModel) -> None:
    assert pool(net, 0.0) is net


def test_the_share_goes_by_the_likelihood_of_held_out_answers() -> None:
    generator = torch.Generator().manual_seed(0)
    right = torch.randint(0, 4, (400,), generator=generator)
    labels = torch.nn.functional.one_hot(right, 4).float()
    noise = torch.randn(2, 400, 4, generator=generator)
    sure, unsure = 3 * labels + noise[0], noise[1]
    assert best_share(sure, unsure, labels) == 0.0
    assert best_share(unsure, sure, labels) == max(SHARES)
    assert best_share(2 * (labels + noise[0]), 2 * (labels + noise[1]), labels) == 0.5
    assert best_share(unsure, unsure, labels) == 0.0
