import pytest
import torch

from vqa.model.attention import MultiAttention
from vqa.model.configuration import VQAConfig

LOOKS, CHANNELS, ASKED, SIZE = 3, 6, 8, 10


@pytest.fixture
def looks() -> MultiAttention:
    torch.manual_seed(0)
    config = VQAConfig(looks=LOOKS, glimpses=1, hidden_size=ASKED, attention_size=SIZE, dropout=0.0)
    made = MultiAttention(config, CHANNELS, 3, 3).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)  # far from even maps
    return made


def test_equal_to_the_equations_place_by_place(looks):
    grid, question = torch.randn(2, 9, CHANNELS), torch.randn(2, ASKED * (1 + LOOKS))
    seen, attention = looks(grid, question)
    assert seen.shape == (2, looks.out_size) == (2, LOOKS * (CHANNELS + SIZE))
    for i in range(2):
        z, means, centres = torch.zeros(0), [], []
        places = [torch.tensor([column - 1.0, row - 1.0]) / 2 for row in range(3) for column in range(3)]
        for k in range(LOOKS):
            c = question[i, ASKED * (k + 1) : ASKED * (k + 2)]
            r = looks.scale[k](c)
            if k:
                r = r * (1 + looks.seen[k - 1](z))
            b = looks.shift[k](torch.cat((c, z)))
            joint = []
            for v, place in zip(grid[i], places, strict=True):
                seen_there = looks.places[k](v)
                if k:
                    offset = [torch.cat((place - c, ((place - c).norm() ** 2 + 1e-4).sqrt()[None])) for c in centres]
                    seen_there = seen_there + looks.offset[k - 1](torch.cat(offset))
                joint.append(torch.relu(r * seen_there + b))
            exponentials = [torch.exp(looks.score[k](j)) for j in joint]
            a = [e / sum(exponentials) for e in exponentials]
            assert torch.allclose(attention[i, k], torch.cat(a), atol=1e-5)
            z = torch.cat((z, sum(a_n * v for a_n, v in zip(a, grid[i], strict=True))))
            centres.append(sum(a_n * place for a_n, place in zip(a, places, strict=True)))
            means.append(sum(joint) / len(joint))
        assert torch.allclose(seen[i], torch.cat((z, *means)), atol=1e-5)
    assert attention.max() > 2 / 9


def test_questions_about_shared_photos_one_by_one(looks):
    grid, index = torch.randn(4, 9, CHANNELS), torch.tensor([2, 0, 2, 3, 2])
    question = torch.randn(5, ASKED * (1 + LOOKS))
    for i, together in enumerate(zip(*looks(grid, question, index), strict=True)):
        alone = looks(grid[index[i], None], question[i, None])
        torch.testing.assert_close(together, (alone[0][0], alone[1][0]), atol=1e-5, rtol=1e-5)
