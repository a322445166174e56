"""What a run is expected to do, stage by stage; DVC itself is not needed to look at it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.dag import Dag
from pipeline.outcome import Outcome


@dataclass(frozen=True)
class Forecast:
    """What is expected of one stage: CACHED, RESTORED or RAN, in which wave, and why it is not simply cached."""

    stage: str
    wave: int
    expected: Outcome
    reason: str

    @property
    def hit(self) -> bool:
        return self.expected is not Outcome.RAN


@dataclass(frozen=True)
class Plan:
    """The DAG with one forecast per stage, in the order of the DAG."""

    dag: Dag
    forecasts: Mapping[str, Forecast]
