"""A search in a trainer's log and in the trackers that it reports to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from transformers import TrainerState, TrainingArguments

from effopd.extrapolation.searches import Trigger

Row = Mapping[str, float]


class Log:
    """Rows of ``effopd/…``, one a search, behind those of the trainer itself.

    A trainer shows its log to its trackers before it shows it to any callback, and lets no callback log: so each row
    goes to `trainer.state.log_history` and to the trackers here, and with the trainer's next log to the screen.
    """

    def __init__(self, args: TrainingArguments, state: TrainerState) -> None:
        self._state, self._row, self._opened = state, dict[str, float](), ExitStack()
        names = args.report_to if state.is_world_process_zero else ()
        self._trackers = [tracker for name in names if (tracker := _tracker(name, args, self._opened))]

    def add(self, values: Row) -> None:
        """Numbers behind the present step."""
        row, step = {f"effopd/{name}": value for name, value in values.items()}, self._state.global_step
        self._row |= row
        self._state.log_history.append({**row, "step": step})
        for tell in self._trackers:
            tell(row, step)

    def unshown(self) -> dict[str, Any]:
        """The newest numbers, once."""
        row, self._row = self._row, {}
        return row

    def close(self) -> None:
        self._opened.close()


def search_row(trigger: Trigger, learning_rate: float, scale: float, times: Row) -> dict[str, float]:
    """What a log says of a search. times: what it took, in seconds by clock."""
    decision = trigger.decision
    kept = next((c.score for c in decision.candidates if c.k == decision.accepted), decision.score)
    row = {
        "multiplier": trigger.multiplier or 0.0,
        "tried": len(decision.candidates),
        "learning_rate": learning_rate,
        "rate_scale": scale,
        **times,
    }
    if decision.score is not None and kept is not None:
        row |= {"score": decision.score.value, "kept_score": kept.value}
    return row


def _tracker(name: str, args: TrainingArguments, opened: ExitStack) -> Callable[[Row, int], None] | None:
    """What takes a row at a step to the run that the trainer's own callback has begun there.

    TensorBoard has no such run to join: its rows are one beside the trainer's, effopd.
    """
    match name:
        case "tensorboard":
            from torch.utils.tensorboard import SummaryWriter

            beside = os.environ.get("TENSORBOARD_LOGGING_DIR") or Path(args.output_dir, "runs")
            board = opened.enter_context(SummaryWriter(str(Path(beside, "effopd")), flush_secs=5))

            def show(row: Row, step: int) -> None:
                for key, value in row.items():
                    board.add_scalar(key, value, step)

            return show
        case "wandb":
            import wandb

            return lambda row, step: wandb.log({**row, "train/global_step": step})
        case "trackio":
            import trackio

            return lambda row, step: trackio.log({**row, "train/global_step": step})
        case _:
            return None
