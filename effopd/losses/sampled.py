"""Policy gradient on the sampled tokens alone, which the paper runs (arXiv 2605.11739), and ExOPD's aim beyond."""

from __future__ import annotations

from torch import Tensor

from effopd.losses.seen import Seen


def sampled(seen: Seen, *, importance_cap: float) -> Tensor:
    """−w · A · log π_S(y) for each token y (…), with A = log π_T(y) − log π_S(y), detached.

    w = min(π_S / π_sampler, importance_cap), detached, corrects a sampler that disagrees with the trainer. The
    expectation over the student's samples is the gradient of `reverse_kl`; the value means nothing.
    """
    return policy_gradient(seen, seen.teacher, importance_cap)


def exopd(seen: Seen, *, strength: float, importance_cap: float) -> Tensor:
    """As `sampled`, towards log π_T + (λ − 1) (log π_T − log π_ref) in place of log π_T (arXiv 2602.12125).

    λ = `strength`; 1 is the teacher itself.
    """
    aim = seen.teacher + (strength - 1) * (seen.teacher - seen.reference)
    return policy_gradient(seen, aim, importance_cap)


def policy_gradient(seen: Seen, aim: Tensor, importance_cap: float) -> Tensor:
    """The step from the student's log-probabilities of the sampled tokens towards `aim` (…), within the cap."""
    advantage = (aim - seen.student).detach().clamp(-seen.log_ratio_cap, seen.log_ratio_cap)
    weight = (seen.student - seen.sampler).detach().exp().clamp(max=importance_cap)
    return -weight * advantage * seen.student
