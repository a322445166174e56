"""Reinforcement learning with a critic: PPO (arXiv 1707.06347), as language models use it (arXiv 2203.02155)."""

from __future__ import annotations

from transformers import PreTrainedModel

from effopd.losses.policy_gradient import clipped_surrogate, reference_kl, token_mean
from effopd.params.rl import RLParams
from effopd.train.critic import expect, value_loss
from effopd.train.engine import Engine
from effopd.train.scoring import policy_pieces
from effopd.train.training import Sums, Training


def reinforce_with_critic(critic: Engine, training: Training, reference: PreTrainedModel, params: RLParams) -> None:
    """Train the engine's model and the critic in place: each token has an advantage over what the critic expected.

    Losses are means over the completion tokens of the step, and pull towards the reference. Several completions of a
    prompt, or one, are the same to the algorithm. Raises `NonFiniteError` that names the step when a value, or a
    gradient of either model, is not finite.
    """
    engine, session = training.engine, training.session
    for step, batch in training.batches(params.prompts_per_step, params.group_size):
        expected = expect(training, critic, batch, params, step)
        for update in range(params.updates_per_batch):
            sums, critic_loss = Sums(), 0.0
            for piece in policy_pieces(training, reference, batch):
                rollout, advantages_BT = piece.rollout, expected.advantages(piece)
                surrogate_BT = clipped_surrogate(
                    piece.policy_BT, rollout.logprobs_BT, advantages_BT, params.clip, params.clip
                )
                kl_BT = reference_kl(piece.policy_BT, piece.reference_BT)
                loss = token_mean(surrogate_BT + params.kl_coefficient * kl_BT, rollout.mask_BT, batch.tokens)
                engine.backward(loss)
                sums.add(rollout, loss, piece.policy_BT, kl_BT, piece.entropy_BT)

                piece_loss = value_loss(critic, expected, piece, batch, params.value_clip)
                critic.backward(piece_loss)
                critic_loss += piece_loss.item()
            if update == 0:  # later updates differ from the sampler by design
                mismatch = training.check(sums, batch, step)
            grad_norm, critic_grad_norm = engine.step(step), critic.step(step)
            session.spend(forward_tokens=batch.passed, backward_tokens=batch.passed)  # the critic's
        session.log(
            **sums.row(engine, batch),
            **mismatch,
            grad_norm=grad_norm,
            value_loss=engine.sum(critic_loss)[0],
            explained_variance=expected.explained,
            critic_grad_norm=critic_grad_norm,
        )
