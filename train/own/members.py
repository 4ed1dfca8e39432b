"""Small models that answer together: each learns by itself, and the sum of their logits is one model again."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vqa.model.attention import SpatialAttention
from vqa.model.configuration import VQAConfig
from vqa.model.fusion import Fusion, answer_head, guess_head
from vqa.model.model import VQAModel
from vqa.model.question_encoder import QuestionEncoder

PARTS = ("question_encoder", "attention", "fusion", "answer_head", "blind_head", "image_only_head")
FRESH = {  # sizes for a few hundred to some thousand questions
    **{"hidden_size": 128, "attention_size": 128, "glimpses": 1, "fusion_size": 256, "blind_size": 128},
    **{"image_only_size": 64, "dropout": 0.5, "word_dropout": 0.3},
}
WORDS = 64  # numbers of a fresh member's word vector
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


class Member(nn.Module):
    """A `VQAModel` without its image encoder: prepared grids and questions to the logits of its three heads.

    residual: the answer's logits are added to those of the question-only head, so that the photo part only learns what
    the question does not tell.
    """

    question_encoder: nn.Module
    attention: nn.Module
    fusion: nn.Module
    answer_head: nn.Sequential
    blind_head: nn.Sequential
    image_only_head: nn.Sequential

    def __init__(self, config: VQAConfig, parts: dict[str, nn.Module], residual: bool):
        super().__init__()
        self.config, self.residual = config, residual
        for name in PARTS:
            self.add_module(name, parts[name])

    def forward(
        self, grid: Tensor, input_ids: Tensor, attention_mask: Tensor, photo_index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """grid `(P, N, D)`; input_ids, attention_mask `(B, T)`; photo_index `(B,)`. Returns logits `(B, A)` of the
        answer, of the guess without the photo, and of the guess without the question."""
        question = self.question_encoder(input_ids, attention_mask).vector
        glimpses, _ = self.attention(grid, question, photo_index)
        answer, blind = self.answer_head(self.fusion(glimpses, question)), self.blind_head(question)
        return answer + blind if self.residual else answer, blind, self.image_only_head(grid.mean(1))[photo_index]


def continued(net: VQAModel) -> Member:
    """The member that goes on from a finished model, which it leaves as it is."""
    return Member(net.config, {name: copied(getattr(net, name), net.config) for name in PARTS}, residual=False)


def copied(part: Any, config: VQAConfig) -> Any:
    """A copy with tensors of its own and the same configuration, whose thousands of answers take long to copy."""
    return copy.deepcopy(part, {id(config): config})


@torch.no_grad()
def between(start: Member, learned: Member, share: float) -> Member:
    """A member at a share of the way from the weights of `start` to those of `learned` (Wortsman et al. 2022, Robust
    fine-tuning of zero-shot models)."""
    member = copied(learned, learned.config)
    for old, new in zip(start.parameters(), member.parameters(), strict=True):
        new.copy_(torch.lerp(old, new, share))
    return member


def can_join(config: VQAConfig) -> bool:
    """Whether a model can have further members: one layer that reads in one direction, and one look of soft
    attention."""
    return config.looks == 1 and config.attention == "soft" and config.num_layers == 1 and not config.bidirectional


def fresh(net: VQAModel, seed: int) -> Member:
    """A small member with random weights for the words and answers of `net`; its word vectors start as the first
    principal components of those of `net`, and are summed by no word attention."""
    known = net.question_encoder.embedding.weight.detach()
    size = min(WORDS, known.shape[1])
    config = VQAConfig(**net.config.to_dict() | FRESH | {"embedding_size": size})
    channels, answers = net.image_only_head.get_parameter("0.weight").shape[1], len(config.answers)
    torch.manual_seed(seed)
    questions, attention = QuestionEncoder(config), SpatialAttention(config, channels)
    nn.init.zeros_(questions.gather.weight).requires_grad_(False)
    centred = known - known[1:].mean(0)
    vectors = centred @ torch.linalg.eigh(centred[1:].T @ centred[1:]).eigenvectors[:, -size:]
    with torch.no_grad():
        length = questions.embedding.weight[1:].norm(dim=1).mean()
        questions.embedding.weight[1:] = (vectors * (length / vectors[1:].norm(dim=1).mean().clamp_min(1e-6)))[1:]
    q, dropout = config.question_size, config.dropout
    parts: dict[str, nn.Module] = {
        "question_encoder": questions,
        "attention": attention,
        "fusion": Fusion(config.fusion, attention.out_size, q, config.fusion_size, dropout),
        "answer_head": answer_head(config.fusion_size, answers, dropout),
        "blind_head": guess_head(q, config.blind_size, answers, dropout),
        "image_only_head": guess_head(channels, config.image_only_size, answers, dropout),
    }
    nn.init.zeros_(parts["answer_head"].get_parameter("1.bias"))
    return Member(config, parts, residual=True)


@dataclass(frozen=True)
class Shares:
    """The factors of a member's logits in the sum: of its answer, of its guess in the answer, of its guess in the
    guess, and of its guess without the question."""

    answer: float
    blind: float
    guess: float
    image: float


def join(net: VQAModel, members: Sequence[Member], shares: Sequence[Shares]) -> VQAModel:
    """One model with the image encoder of `net` whose logits are the weighted sums of those of the members.

    Each part is the members' parts side by side, with zeros between them. The guesses become units of the fusion on
    which the photo has no influence. Exact in evaluation mode only. The words' weights are those of the first member.
    """
    first = members[0]
    config = VQAConfig(**first.config.to_dict() | joint_sizes([m.config for m in members]))
    each = [member.state_dict() for member in members]
    tensors = {f"image_encoder.{name}": value for name, value in net.image_encoder.state_dict().items()}
    tensors |= joint_question_encoder(config, each) | joint_attention(config, each)
    a, b, head = "fusion.project_a", "fusion.project_b", "answer_head.1"
    hidden, out = "blind_head.0", "blind_head.3"
    product = config.fusion == "product"
    guesses = [tensor[f"{hidden}.bias"] for tensor in each]
    tensors[f"{a}.weight"] = blocks([t[f"{a}.weight"] for t in each])
    zeros = torch.zeros(config.blind_size, tensors[f"{a}.weight"].shape[1])
    tensors[f"{a}.weight"] = torch.cat((tensors[f"{a}.weight"], zeros))
    tensors[f"{b}.weight"] = torch.cat([blocks([t[f"{name}.weight"] for t in each]) for name in (b, hidden)])
    ones = [torch.ones_like(bias) for bias in guesses] if product else guesses  # relu(1) · relu(W q + b)
    tensors[f"{a}.bias"] = torch.cat([*(t[f"{a}.bias"] for t in each), *ones])
    if product:
        tensors[f"{b}.bias"] = torch.cat([*(t[f"{b}.bias"] for t in each), *guesses])
    in_answer = [s.blind + s.answer * member.residual for member, s in zip(members, shares, strict=True)]
    for kind in ("weight", "bias"):
        answers = [s.answer * t[f"{head}.{kind}"] for s, t in zip(shares, each, strict=True)]
        answers += [share * t[f"{out}.{kind}"] for share, t in zip(in_answer, each, strict=True)]
        tensors[f"{head}.{kind}"] = torch.cat(answers, 1) if kind == "weight" else torch.stack(answers).sum(0)
    tensors |= joint_guess("blind_head", each, [s.guess for s in shares], blocks)
    tensors |= joint_guess("image_only_head", each, [s.image for s in shares], torch.cat)
    model = VQAModel(config)
    model.load_state_dict(tensors)
    return model.eval()


def joint_sizes(configs: Sequence[VQAConfig]) -> dict[str, int]:
    """The sizes of the joint model: the sums of those of the members."""
    names = ("embedding_size", "hidden_size", "attention_size", "glimpses", "fusion_size", "blind_size")
    sizes = {name: sum(getattr(config, name) for config in configs) for name in (*names, "image_only_size")}
    return sizes | {"fusion_size": sizes["fusion_size"] + sizes["blind_size"]}


def joint_question_encoder(config: VQAConfig, each: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The recurrent cores side by side; the word attention of the first."""
    prefix, core = "question_encoder", "question_encoder.recurrent.core"
    tensors = {f"{prefix}.embedding.weight": torch.cat([t[f"{prefix}.embedding.weight"] for t in each], 1)}
    for name in [name for name in each[0] if name.startswith(core)]:
        gates = zip(*(t[name].chunk(GATES[config.recurrent_cell]) for t in each), strict=True)
        tensors[name] = torch.cat([(blocks if each[0][name].ndim > 1 else torch.cat)(gate) for gate in gates])
    size = config.state_size
    first = {name: each[0][f"{prefix}.{name}"] for name in ("key.weight", "key.bias", "score.weight", "gather.weight")}
    shapes = ((size // 4, size), (size // 4,), (config.looks, size // 4), (size, config.embedding_size))
    for (name, value), shape in zip(first.items(), shapes, strict=True):
        whole = value.new_zeros(shape)
        whole[tuple(slice(n) for n in value.shape)] = value
        tensors[f"{prefix}.{name}"] = whole
    return tensors


def joint_attention(config: VQAConfig, each: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The glimpses of all members; nothing to join where a single member has attention of another kind."""
    names = [name for name in each[0] if name.startswith("attention.")]
    if len(each) == 1:
        return {name: each[0][name] for name in names}
    whole: dict[str, Any] = {"attention.fuse.project_a.weight": torch.cat, "attention.fuse.project_a.bias": torch.cat}
    whole |= {"attention.fuse.project_b.bias": torch.cat}
    return {name: whole.get(name, blocks)([t[name] for t in each]) for name in names}


def joint_guess(head: str, each: Sequence[dict[str, Tensor]], shares: Sequence[float], join: Any) -> dict[str, Tensor]:
    """The heads side by side, their logits summed with these shares; join: of the first layers' weights."""
    last = f"{head}.3"
    return {
        f"{head}.0.weight": join([t[f"{head}.0.weight"] for t in each]),
        f"{head}.0.bias": torch.cat([t[f"{head}.0.bias"] for t in each]),
        f"{last}.weight": torch.cat([s * t[f"{last}.weight"] for s, t in zip(shares, each, strict=True)], 1),
        f"{last}.bias": torch.stack([s * t[f"{last}.bias"] for s, t in zip(shares, each, strict=True)]).sum(0),
    }


def blocks(matrices: Sequence[Tensor]) -> Tensor:
    """The block-diagonal matrix of these."""
    return torch.block_diag(*matrices)
