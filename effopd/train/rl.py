"""Reinforcement learning from verifiable rewards: GRPO (arXiv 2402.03300) and DAPO (arXiv 2503.14476)."""

from __future__ import annotations

from transformers import PreTrainedModel

from effopd.losses.policy_gradient import (
    clipped_surrogate,
    group_advantages,
    reference_kl,
    sequence_mean,
    token_mean,
    with_variance,
)
from effopd.params.rl import RLParams
from effopd.train.scoring import policy_pieces
from effopd.train.training import Sums, Training


def reinforce(training: Training, reference: PreTrainedModel, params: RLParams) -> None:
    """Train the engine's model in place: sample a group for each prompt, reward it, and follow the advantage in it.

    GRPO takes the mean over completions of their means over tokens, and pulls towards the reference. DAPO takes the
    mean over the tokens of the groups that have variance, with a higher clip above, and has no reference to pull to:
    its divergence is logged alone.
    """
    engine, session = training.engine, training.session
    dapo = params.algorithm == "dapo"
    high = params.clip_high if dapo else params.clip
    for step, batch in training.batches(params.prompts_per_step, params.group_size):
        rewards_GN = batch.rewards_B.view(-1, params.group_size)
        advantages_B = group_advantages(rewards_GN).flatten()
        kept_B = with_variance(rewards_GN).repeat_interleave(params.group_size)
        kept_BT = kept_B[:, None] * batch.rollout.mask_BT
        (kept_tokens,) = engine.sum(kept_BT.sum().item())

        for update in range(params.updates_per_batch):
            sums = Sums()
            for piece in policy_pieces(training, reference, batch):
                rollout, advantages_B1 = piece.rollout, advantages_B[piece.rows, None]
                surrogate_BT = clipped_surrogate(piece.policy_BT, rollout.logprobs_BT, advantages_B1, params.clip, high)
                kl_BT = reference_kl(piece.policy_BT, piece.reference_BT)
                if dapo:
                    kept = kept_BT[piece.rows, : rollout.mask_BT.shape[1]]
                    loss = token_mean(surrogate_BT, kept, max(kept_tokens, 1))
                else:
                    loss_B = sequence_mean(surrogate_BT + params.kl_coefficient * kl_BT, rollout.mask_BT)
                    loss = loss_B.sum() / batch.size
                engine.backward(loss)
                sums.add(rollout, loss, piece.policy_BT, kl_BT, piece.entropy_BT)
            if update == 0:  # later updates differ from the sampler by design
                mismatch = training.check(sums, batch, step)
            grad_norm = engine.step(step)
        session.log(**sums.row(engine, batch), **mismatch, grad_norm=grad_norm)
