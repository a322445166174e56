"""Run a DVC pipeline under Prefect: DVC stays the only cache, Prefect plans, parallelises, schedules and shows.

Three rooms, usable in any DVC project: reading the DAG and forecasting it (`project`, the only one that needs DVC),
running one stage as a process in its own session (`stage`, `leash`), and the flow with one Prefect task per stage
instance (`flow`). Around them: isolated workspaces for overrides (`overrides`, `workspace`) and what a browser shows
(`artifacts`, `picture`).
"""

import os

# Usage reporting is off unless the user switches it on; both libraries read these when they are imported.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DVC_NO_ANALYTICS", "1")
