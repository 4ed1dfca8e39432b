"""A few questions, and learning them by heart."""

import torch
from torch import Tensor, nn


def questions() -> dict[str, Tensor]:
    """Five questions about two photos; the same question about the other photo has another answer."""
    return {
        "input_ids": torch.tensor([[2, 3, 4], [2, 3, 0], [5, 0, 0], [2, 3, 4], [5, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 0, 0]]),
        "photo_index": torch.tensor([0, 0, 0, 1, 1]),
        "labels": torch.eye(3)[[0, 1, 2, 1, 0]],
        "squares": torch.randint(0, 255, (2, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
    }


def learn(task: nn.Module, batch: dict[str, Tensor]) -> list[float]:
    """The losses of sixty steps."""
    optimizer, losses = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=0.01), []
    for _ in range(60):
        optimizer.zero_grad()
        loss = task(**batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
