"""The `effopd` command: check a params file, plan and evaluate; and what can be done with any checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from effopd.checkpoints.commands import add_commands
from effopd.errors import MachineError, explained, one_line
from effopd.files import DataError
from effopd.params.section import ParamsError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reproducible on-policy distillation. The pipeline itself is run with `dvc repro` or `make repro`.",
)
add_commands(app)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The file to check.")] = Path("params.yaml"),
) -> None:
    """Check every key of a params file; name the first that is unknown, missing or ill-typed."""
    from effopd.params.schema import check_file

    check_file(file)
    print(f"{file}: ok")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder in Hugging Face format (safetensors).")],
    problems: Annotated[Path, typer.Argument(help="Problems as parquet: task, prompt, answer.")] = Path(
        "data/test.parquet"
    ),
    samples: Annotated[int, typer.Option(min=1, help="Completions of each problem at temperature 1.")] = 4,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest completion, in tokens.")] = 40,
    batch_size: Annotated[int, typer.Option(min=1, help="Completions sampled together.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples and of the interval's bootstrap.")] = 42,
    show: Annotated[int, typer.Option(min=0, help="Print this many completions with their scores.")] = 0,
    url: Annotated[str, typer.Option(help="Sample by the vLLM server there, which serves MODEL under this name.")] = "",
) -> None:
    """Accuracy of a model: avg@k with a 95 % interval, and greedy."""
    from effopd.evaluation.accuracy import grade
    from effopd.evaluation.statistics import bootstrap
    from effopd.models.store import load_model, load_tokenizer
    from effopd.rollout.policy import ModelPolicy
    from effopd.rollout.served import serve
    from effopd.seeding import generator
    from effopd.tasks.problems import read_problems

    rows = read_problems(problems)
    policy = serve(url, model) if url else ModelPolicy(load_model(model), load_tokenizer(model))
    sampled, greedy = (
        grade(
            policy,
            rows,
            samples=samples,
            greedy=is_greedy,
            seed=seed,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
        )
        for is_greedy in (False, True)
    )
    estimate = bootstrap(sampled.scores_NS.mean(-1), 0.95, 2000, generator(seed, "bootstrap"))
    print(f"avg@{samples}  {estimate.mean:.3f}  ({estimate.low:.3f}–{estimate.high:.3f}, {estimate.n} problems)")
    print(f"greedy {greedy.scores_NS.mean():.3f}")
    for problem, text, score in zip(rows[:show], sampled.texts[::samples], sampled.scores_NS[:, 0], strict=False):
        print(f"{score:.0f}  {problem.prompt}{text}")


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="The params file whose runs are planned.")] = Path("params.yaml"),
    gpus: Annotated[
        int | None, typer.Option(min=0, help="GPUs. Those of here, if run.device is cuda; on cpu none are used.")
    ] = None,
    gpu_memory: Annotated[str, typer.Option(help="Memory of each GPU, such as 80GiB. That of here.")] = "",
    memory: Annotated[str, typer.Option(help="Memory of the machine. That of here.")] = "",
    disk: Annotated[str, typer.Option(help="Free disk. That of here.")] = "",
    tflops: Annotated[float, typer.Option(min=0, help="Achieved by each rank; 0: 300 on a GPU, 0.05 on CPUs.")] = 0,
    bandwidth: Annotated[float, typer.Option(min=0, help="GB/s achieved; 0: 2,000 on a GPU, 10 on CPUs.")] = 0,
    length: Annotated[float, typer.Option(min=0, max=1, help="Mean completion, of the longest allowed; 0: half.")] = 0,
    prompt_tokens: Annotated[
        int, typer.Option(min=0, help="Of the longest prompt; 0: 512, or those of the built-in world.")
    ] = 0,
    sources: Annotated[Path, typer.Option(help="The folder with local models.")] = Path("data/models"),
) -> None:
    """Memory, disk and hours of all training runs, before they start; exit status 1 when they cannot fit."""
    from effopd.params.schema import check_file
    from effopd.planning.here import machine
    from effopd.planning.plan import assumed_prompt, make_plan
    from effopd.planning.published import student_shape, teaching
    from effopd.planning.text import parse_size, plan_lines
    from effopd.planning.work import ON_CPU, ON_GPU, Throughput

    params = check_file(file)
    student = student_shape(params.model, sources)
    if params.run.device == "cpu":
        if gpus:
            raise ParamsError(f"{file}: run.device is cpu, so {gpus} GPUs would stay idle: set it to cuda")
        gpus = 0
    here = machine(gpus, *(parse_size(size) if size else None for size in (gpu_memory, memory, disk)))
    usual = ON_GPU if here.gpus else ON_CPU
    speed = Throughput(tflops * 1e12 or usual.flops, bandwidth * 1e9 or usual.bytes, length or usual.length)
    prompt_tokens = prompt_tokens or assumed_prompt(params)
    found = make_plan(params, student, teaching(params.teacher, student), prompt_tokens, here, speed)
    assumed = (
        f"prompts of {prompt_tokens} tokens, completions of {speed.length:.0%} of {params.rollout.max_new_tokens:,}"
    )
    print("\n".join(plan_lines(found, params.engine.ranks, here, speed, assumed)))
    if found.problems:
        for problem in found.problems[1:]:
            print(f"Does not fit: {problem}")
        raise DataError(found.problems[0])
    print("It fits.")


@app.command()
def profile(
    name: Annotated[str, typer.Argument(help="A file in profiles/, without .yaml; none lists them.")] = "",
    file: Annotated[Path, typer.Option(help="The params file to change.")] = Path("params.yaml"),
    folder: Annotated[Path, typer.Option(help="The folder with profiles.")] = Path("profiles"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Put the params of a known setting over params.yaml, whose comments stay; or list them with what they need."""
    from effopd.planning.profile import summary
    from effopd.profiles import apply_profile, missing_pins, profile_names, with_profile

    if not name:
        for known in profile_names(folder):
            print(summary(known, folder, file))
        return
    if dry_run:
        _, params, changes = with_profile(name, folder, file)
    else:
        params, changes = apply_profile(name, folder, file)
    for change in changes:
        print(f"{change.key}: {change.before} -> {change.after}")
    print(
        f"{file}: {len(changes)} values {'would change' if dry_run else 'changed'}; `effopd plan` says what they need"
    )
    for pin in missing_pins(params):
        print(f"To do: {pin}")


@app.command()
def references(
    dataset: Annotated[str, typer.Argument(help="A published dataset, or a file of your own.")],
    sources: Annotated[Path, typer.Option(help="The folder with local copies.")] = Path("data/sources"),
) -> None:
    """Whether reference answers are graded as right in a box and in a sentence, and other rows' as wrong."""
    from effopd.datasets.catalogue import load
    from effopd.evaluation.references import check_references

    loaded = load(dataset, sources, seed=0)
    found = check_references(loaded.examples)
    print(f"{loaded.title}: {found.graded} answers; {len(loaded.rejected)} rows cannot be used")
    for what, wrong in (
        ("boxed, not graded as right", found.boxed),
        ("in a sentence, not graded as right", found.said),
        ("of another row, graded as right", found.others),
    ):
        print(f"{what}: {len(wrong)}")
        for case in wrong:
            print(f"  row {case.row}: {' '.join(case.completion.split())}  ({case.reason})")


@app.command()
def pin(
    repository: Annotated[str, typer.Argument(help="A repository on the hub, OWNER/NAME.")],
    model: Annotated[bool, typer.Option("--model", help="Of a model, for `model.revision`.")] = False,
    branch: Annotated[str, typer.Option(help="Of this branch instead of the main one.")] = "main",
) -> None:
    """The newest commit of a dataset on the hub, for its spec in effopd/datasets/specs, or of a model."""
    from huggingface_hub import HfApi

    try:
        print(HfApi().repo_info(repository, revision=branch, repo_type="model" if model else "dataset").sha)
    except Exception as error:  # noqa: BLE001 - no network, no access, no such name: the hub's own words, in one line
        raise DataError(f"{repository}: {' '.join(str(error).split())[:300]}") from None


def main() -> None:
    """Run the command; what goes wrong becomes one line on stderr and exit status 1, or 2 for a wrong option."""
    try:
        sys.exit(app(standalone_mode=False))
    except (ParamsError, DataError, MachineError, ValueError, OverflowError) as error:
        sys.exit(f"error: {one_line(error)}")
    except typer.Abort:
        sys.exit(130)
    except Exception as error:
        if hasattr(error, "format_message"):  # a wrong option: what click would have printed
            print(f"error: {one_line(error.format_message())}", file=sys.stderr)
            sys.exit(2)
        if said := explained(error):
            sys.exit(f"error: {said}")
        raise
