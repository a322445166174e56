"""What a run is expected to do, stage by stage; DVC itself is not needed to look at it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pipeline.dag import Dag, Hints, StageNode


class Expected(StrEnum):
    """CACHED: nothing changed. RESTORED: the outputs of an earlier run will be checked out. RAN: its command will run,
    or what it needs will come out as in an earlier run. MAYBE: it runs if a stage before it writes other bytes."""

    CACHED = "CACHED"
    RESTORED = "RESTORED"
    RAN = "RAN"
    MAYBE = "MAYBE"


@dataclass(frozen=True)
class Forecast:
    """What is expected of one stage, in which wave, and why it is not simply cached."""

    stage: str
    wave: int
    expected: Expected
    reason: str

    @property
    def verdict(self) -> str:
        """Whether the cache has it: hit, miss or maybe."""
        match self.expected:
            case Expected.RAN:
                return "miss"
            case Expected.MAYBE:
                return "maybe"
        return "hit"


@dataclass(frozen=True)
class Plan:
    """The DAG with one forecast per stage, in the order of the DAG."""

    dag: Dag
    forecasts: Mapping[str, Forecast]

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` makes the same plan of."""
        return {
            "stages": [asdict(node) for node in self.dag.stages.values()],
            "forecasts": [asdict(forecast) for forecast in self.forecasts.values()],
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Plan":
        nodes = []
        for row in plain["stages"]:
            hints = row["hints"] | {"tags": tuple(row["hints"]["tags"])}
            nodes.append(StageNode(row["name"], tuple(row["upstream"]), Hints(**hints)))
        forecasts = [Forecast(**row | {"expected": Expected(row["expected"])}) for row in plain["forecasts"]]
        return cls(Dag({node.name: node for node in nodes}), {one.stage: one for one in forecasts})
