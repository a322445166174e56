"""Learning with a critic: generalised advantages (GAE, arXiv 1506.02438) and the clipped loss of values.

Rewards are not discounted, γ = 1: a completion has one reward, for its answer, which is not worth less for having been
reached in more tokens. λ alone trades the critic's errors (0) for the variance of rewards (1).
"""

from __future__ import annotations

import torch
from torch import Tensor


def generalised_advantages(rewards_B: Tensor, values_BT: Tensor, mask_BT: Tensor, decay: float) -> Tensor:
    """Σ_l λ^l δ_{t+l} with δ_t = r_t + V_{t+1} − V_t, for each token (B, T); zero under the mask.

    rewards_B: given at each completion's last token, behind which nothing has a value. values_BT: V of the text before
    each token. mask_BT: completions begin at 0 and have no gaps. decay: λ. At λ = 1 this is the reward minus V_t, at
    λ = 0 the one step's δ_t (equations 11 and 16).
    """
    values_BT = values_BT.where(mask_BT.bool(), 0.0)
    later_BT = torch.nn.functional.pad(values_BT[:, 1:], (0, 1))
    is_last_BT = mask_BT - torch.nn.functional.pad(mask_BT[:, 1:], (0, 1))
    deltas_BT = rewards_B[:, None] * is_last_BT + later_BT - values_BT
    advantages_BT = torch.zeros_like(values_BT)
    carried_B = torch.zeros_like(rewards_B)
    for t in reversed(range(values_BT.shape[1])):
        carried_B = deltas_BT[:, t] + decay * carried_B
        advantages_BT[:, t] = carried_B
    return advantages_BT


def clipped_value_loss(values_BT: Tensor, old_BT: Tensor, returns_BT: Tensor, clip: float) -> Tensor:
    """½ max((V − R)², (V' − R)²) for each token (B, T), with V' = V held within `clip` of what it was, `old_BT`.

    A value that has gone further than `clip` towards its return is pulled no more; one that went the wrong way is
    (as in the code of arXiv 1707.06347, and of arXiv 2203.02155).
    """
    held_BT = old_BT + (values_BT - old_BT).clamp(-clip, clip)
    return torch.maximum((values_BT - returns_BT).square(), (held_BT - returns_BT).square()) / 2
