"""Less noise of Prefect: where a flow ends in a state that says what its user is to mend, no traceback follows."""

import logging

from prefect.exceptions import CancelledRun, FailedRun

ENDS = (CancelledRun, FailedRun)  # what Prefect raises in a deployment's process for a state that the flow has returned


def end_without_traceback() -> None:
    """Keep from the log of runs, and of workers, what their state says already."""
    for name in ("prefect.flow_runs", "prefect.engine"):
        logging.getLogger(name).addFilter(_no_end)


def _no_end(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], ENDS)
