"""Several teachers: each completion is scored by the one that its problem names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from effopd.rollout.sampler import Rollout
from effopd.train.judgement import Full, Judgement, Teacher, Top


@dataclass(frozen=True)
class RoutedTeacher:
    """teachers: by name; the one for problems that name none is called "". All tell equally many tokens apart."""

    teachers: Mapping[str, Teacher]

    def judge(self, rollout: Rollout, names: Sequence[str], loss_chunk: int) -> Judgement:
        parts = []
        for name in dict.fromkeys(names):
            rows = torch.tensor([row for row, asked in enumerate(names) if asked == name])
            judgement = self.teachers[name].judge(_rows(rollout, rows), [name] * len(rows), loss_chunk)
            parts.append((rows, judgement))
        if len(parts) == 1:
            return parts[0][1]
        if all(isinstance(judgement, Top) for _, judgement in parts):
            given = [(rows, judgement.given) for rows, judgement in parts]
            ids, logprobs, sampled = (_together([(r, g[i]) for r, g in given]) for i in range(3))
            return Top((ids, logprobs, sampled))
        return _full([(rows, judgement) for rows, judgement in parts if isinstance(judgement, Full)])


def _full(parts: list[tuple[Tensor, Full]]) -> Full:
    """One judgement whose tokens remember whose they are; states of different widths are padded to the widest."""
    width = max(judgement.given[0].shape[-1] for _, judgement in parts)
    states, owners = [], []
    for owner, (rows, judgement) in enumerate(parts):
        (states_BTX,) = judgement.given
        states.append((rows, torch.nn.functional.pad(states_BTX, (0, width - states_BTX.shape[-1]))))
        owners.append((rows, torch.full(states_BTX.shape[:2], owner, device=states_BTX.device)))
    widths = [judgement.given[0].shape[-1] for _, judgement in parts]

    def logits(states_X: Tensor, owner: Tensor) -> Tensor:
        made = [
            (owner == i, judgement.logits(states_X[owner == i][..., : widths[i]]).float())
            for i, (_, judgement) in enumerate(parts)
        ]
        logits_V = made[0][1].new_empty(*owner.shape, made[0][1].shape[-1])
        for mine, values in made:
            logits_V[mine] = values
        return logits_V

    return Full((_together(states), _together(owners)), logits)


def _together(parts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Rows of all parts in their places."""
    order = torch.cat([rows for rows, _ in parts]).argsort()
    return torch.cat([values for _, values in parts])[order]


def _rows(rollout: Rollout, rows: Tensor) -> Rollout:
    device = rollout.tokens_BT.device
    chosen = {f.name: v[rows.to(device)] for f in fields(rollout) if isinstance(v := getattr(rollout, f.name), Tensor)}
    return replace(rollout, texts=[rollout.texts[row] for row in rows], **chosen)
