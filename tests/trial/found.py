"""What a part of the trial has found: a row of the table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """what: was tried, so many times (`tried`). fell: a line for each time that it did not hold. figures: in words."""

    what: str
    tried: int
    fell: tuple[str, ...]
    figures: str = ""
