"""A search in a trainer's log and in the trackers that it reports to."""

from __future__ import annotations

from typing import Any

from transformers import TrainerState, TrainingArguments

from effopd.extrapolation.searches import Trigger


class Log:
    """Rows of ``effopd/…``, one a search, behind those of the trainer itself.

    A trainer shows its log to its trackers before it shows it to any callback, and lets no callback log: so each row
    goes to `trainer.state.log_history` and to the trackers here, and with the trainer's next log to the screen.
    """

    def __init__(self, args: TrainingArguments) -> None:
        self._args = args
        self._row: dict[str, Any] = {}

    def add(
        self, state: TrainerState, trigger: Trigger, learning_rate: float, scale: float, times: dict[str, float]
    ) -> None:
        """times: what the search took, in seconds by clock."""
        decision = trigger.decision
        kept = next((c.score for c in decision.candidates if c.k == decision.accepted), decision.score)
        values = {
            "multiplier": trigger.multiplier or 0.0,
            "tried": len(decision.candidates),
            "learning_rate": learning_rate,
            "rate_scale": scale,
        } | times
        if decision.score is not None and kept is not None:
            values |= {"score": decision.score.value, "kept_score": kept.value}
        self._row = {f"effopd/{name}": value for name, value in values.items()}
        state.log_history.append(self._row | {"step": state.global_step})

    def unshown(self) -> dict[str, Any]:
        """The newest row, once."""
        row, self._row = self._row, {}
        return row

    def close(self) -> None:
        pass
