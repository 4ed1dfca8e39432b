"""Multi-step attention: several looks at the grid, each with its own word weights and the results of those before."""

import torch
from torch import Tensor, nn

from .configuration import VQAConfig


class MultiAttention(nn.Module):
    """K looks at a grid `v (P, N, D)`; the question `q (B, H + K·H)` holds its vector h and what each look asks, c_k.

        r_k = (A_k c_k) ⊙ (1 + B_k z_<k)     b_k = C_k [c_k; z_<k]        z_<k = [z_1; …; z_k-1]
        j_kn = relu(r_k ⊙ (W_k v_n + O_k d_<k,n) + b_k)          a_k = softmax_n(w_k · j_kn)
        z_k = Σ_n a_kn v_n       m_k = 1/N Σ_n j_kn       d_kn = (p_n - p_k, |p_n - p_k|)       p_k = Σ_n a_kn p_n

    The question scales and shifts the grid's channels (FiLM, Perez et al. 2018), and from the second look on so do the
    earlier glimpses, as in stacked attention (Yang et al. 2016). Each look weights the words anew, as in MAC (Hudson &
    Manning 2018): one look finds the red circle, the next what is nearest to it. Its input includes the offset of each
    place p_n from the places p_k of the earlier looks, so that 'left of' and 'nearest' are learned independently of
    where the circle is. A softmax cannot count; the mean m_k over all places can.
    """

    def __init__(self, config: VQAConfig, channels: int, height: int, width: int):
        super().__init__()
        self.height, self.width = height, width
        asked, size, looks = config.state_size, config.attention_size, range(config.looks)
        self.out_size = config.looks * (channels + size)
        self.asked = asked
        self.places = nn.ModuleList(nn.Linear(channels, size) for _ in looks)
        self.offset = nn.ModuleList(nn.Linear(3 * k, size, bias=False) for k in looks if k)
        self.scale = nn.ModuleList(nn.Linear(asked, size) for _ in looks)
        self.seen = nn.ModuleList(nn.Linear(k * channels, size) for k in looks if k)
        self.shift = nn.ModuleList(nn.Linear(asked + k * channels, size) for k in looks)
        self.score = nn.ModuleList(nn.Linear(size, 1, bias=False) for _ in looks)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, grid: Tensor, question: Tensor, photo_index: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns glimpses and means `(B, K·(D + S))`, S the attention's size, and the attention `(B, K, N)`.

        photo_index `(B,)` names each question's row of `grid`; without it question i looks at row i.
        """
        if photo_index is None:
            photo_index = torch.arange(question.shape[0], device=question.device)
        v, asked = grid.index_select(0, photo_index), question.split(self.asked, -1)[1:]
        p = positions(self.height, self.width).to(v)
        z = v[:, 0, :0]
        means: list[Tensor] = []
        maps: list[Tensor] = []
        offsets: list[Tensor] = []
        for k, c in enumerate(asked):
            r = self.scale[k](c) if k == 0 else self.scale[k](c) * (1 + self.seen[k - 1](z))
            b = self.shift[k](torch.cat((c, z), -1))
            places = self.places[k](grid).index_select(0, photo_index)
            if k:
                places = places + self.offset[k - 1](torch.cat(offsets, -1))
            joint = (r.unsqueeze(1) * places + b.unsqueeze(1)).relu()  # (B, N, S)
            a = self.score[k](self.dropout(joint)).squeeze(-1).float().softmax(-1)
            maps.append(a)
            a = a.to(v.dtype)
            z = torch.cat((z, (a.unsqueeze(1) @ v).squeeze(1)), -1)
            d = p - (a @ p).unsqueeze(1)  # (B, N, 2)
            offsets += [d, (d.square().sum(-1, keepdim=True) + 1e-4).sqrt()]  # the square root has no gradient at 0
            means.append(joint.mean(1))
        return torch.cat((z, *means), -1), torch.stack(maps, 1)


def positions(height: int, width: int) -> Tensor:
    """Where each of the N places is, `(N, 2)`: (x, y) from the middle, two cells a unit."""
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), -1) / 2
