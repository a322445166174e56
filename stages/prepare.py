"""Write the built-in world: problems for training, validation, development and test, and what the base imitates."""

from __future__ import annotations

from pathlib import Path

from effopd.params.data import DataParams
from effopd.params.run import RunParams
from effopd.seeding import generator
from effopd.tasks.arithmetic import sample_demonstrations, sample_splits
from effopd.tasks.problems import write_demonstrations, write_problems
from stages.harness import Stage, run

DATA = Path("data")


def main() -> None:
    """Write data/*.parquet."""
    stage = Stage()
    seed = stage.params("run", RunParams, unused=("replicates", "threads")).seed
    params = stage.params("data", DataParams)

    splits = sample_splits(generator(seed, "problems"), params)
    held_out = {problem.prompt for problems in splits.values() for problem in problems}
    demonstrations = sample_demonstrations(generator(seed, "demonstrations"), params.demonstrations, held_out)

    stage.check_unchanged()
    for name, problems in splits.items():
        write_problems(DATA / f"{name}.parquet", problems)
    write_demonstrations(DATA / "demonstrations.parquet", demonstrations)
    print(", ".join(f"{name} {len(problems)}" for name, problems in splits.items()))


if __name__ == "__main__":
    run(main)
