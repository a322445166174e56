"""Section `data`: what is trained on, the built-in world of arithmetic chains or a dataset."""

from __future__ import annotations

from pydantic import Field, model_validator

from effopd.params.section import Name, Section

MOST_OPERATIONS = 1000


class DemonstrationParams(Section):
    """The mixture the base learns from: it can reason, but usually does not."""

    examples: int = Field(ge=1)
    min_operations: int = Field(ge=1, le=MOST_OPERATIONS)
    max_operations: int = Field(ge=1, le=MOST_OPERATIONS)
    correct: float = Field(ge=0, le=1)
    guess: float = Field(ge=0, le=1)
    guess_accuracy: float = Field(ge=0, le=1)
    step_error: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> DemonstrationParams:
        if self.min_operations > self.max_operations:
            raise ValueError("min_operations is larger than max_operations")
        if self.correct + self.guess > 1:
            raise ValueError("correct + guess is larger than 1")
        return self


class DataParams(Section):
    source: Name
    operations: int = Field(ge=1, le=MOST_OPERATIONS)
    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    dev: int = Field(ge=1)
    test: int = Field(ge=1)
    demonstrations: DemonstrationParams

    @model_validator(mode="after")
    def _enough_chains(self) -> DataParams:
        wanted = self.train + self.validation + self.dev + self.test
        if self.source == "arithmetic" and 10 ** (self.operations + 1) * 3**self.operations < 2 * wanted:
            raise ValueError(f"operations is {self.operations}: too few chains for {wanted} distinct prompts")
        return self
