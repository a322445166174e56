"""The commands on checkpoints. What they need is imported when one runs, so that `effopd --help` is quick."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from effopd.files import canonical_json

PANEL = "Checkpoints of any trainer: folders, or OWNER/NAME@REVISION on the hub"

Model = Annotated[str, typer.Argument(help="A model folder (safetensors), or OWNER/NAME@REVISION on the hub.")]
TopK = Annotated[int, typer.Option(min=1, help="How many leading singular directions are looked at.")]
Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")]
Out = Annotated[Path, typer.Option(help="The folder to write: a whole model. It must not exist yet.")]


def add_commands(app: typer.Typer) -> None:
    """Put the commands on checkpoints into the `effopd` command."""
    for command in (spectrum, align, compare, extrapolate, rescale, merge):
        app.command(rich_help_panel=PANEL)(command)


def spectrum(
    base: Model,
    trained: Model,
    top_k: TopK = 20,
    matrices: Annotated[bool, typer.Option("--matrices", help="Print a line for each matrix too.")] = False,
    as_json: Json = False,
) -> None:
    r"""What training did to the weights: the spectrum of W − W_base, and where it lies in W_base.

    Every weight matrix counts, fused ones by their parts, experts one by
    one; what is in no matrix is named. Weights are read one matrix at a
    time: the models need not fit into memory. Low effective rank, little
    energy in principal space and a small drift are what distillation and
    reinforcement learning are said to have, and fine-tuning is not.

    effopd spectrum base/ trained/ --matrices
    effopd spectrum Qwen/Qwen2.5-Math-1.5B \
      relex-rlvr/RLVR-Qwen2.5-Math-1.5B@step_500
    effopd spectrum base/ trained/ --json | jq .averages.all.effective_rank
    """
    from effopd.checkpoints import spectrum as module
    from effopd.checkpoints.text import spectrum_lines

    found = module.spectrum(base, trained, top_k=top_k, progress=True)
    print(canonical_json(asdict(found)) if as_json else "\n".join(spectrum_lines(found, top_k, matrices)))


def align(
    base: Model,
    checkpoints: Annotated[
        list[str], typer.Argument(help="The checkpoints of a run, in any order, or one folder that holds them.")
    ],
    top_k: TopK = 20,
    as_json: Json = False,
) -> None:
    r"""How early a run points where it ends: the update of each checkpoint against that of the last one.

    A number at the end of each name is its step: step_64, checkpoint-500,
    NAME@step_1. A run that locks in early has cosines near 1 long before
    its end.

    effopd align base/ run/        # run/step-000001, run/step-000002, …
    effopd align Qwen/Qwen2.5-Math-1.5B \
      relex-rlvr/RLVR-Qwen2.5-Math-1.5B@step_{1,10,50,100,500}
    """
    from effopd.checkpoints import align as module
    from effopd.checkpoints.text import align_lines

    found = module.align(base, checkpoints, top_k=top_k, progress=True)
    print(canonical_json(asdict(found)) if as_json else "\n".join(align_lines(found, top_k)))


def compare(
    a: Model,
    b: Model,
    tensors: Annotated[bool, typer.Option("--tensors", help="Print a line for each tensor.")] = False,
    as_json: Json = False,
) -> None:
    """What differs between two models: configuration, other files, and every tensor.

    effopd compare mine/ OWNER/NAME@main
    """
    from effopd.checkpoints import compare as module
    from effopd.checkpoints.text import compare_lines

    found = module.compare(a, b, progress=True)
    print(canonical_json(asdict(found)) if as_json else "\n".join(compare_lines(found, tensors)))


def extrapolate(
    base: Model,
    current: Model,
    out: Out,
    multiplier: Annotated[float, typer.Option(help="How many times the stretch from BASE to CURRENT to go on.")],
) -> None:
    """Go on along a straight line: write W_current + multiplier · (W_current − W_base), a leap of EffOPD.

    The new model has the files, names and dtypes of CURRENT. In bfloat16
    the difference of two near models is mostly rounding, which this
    multiplies: prefer float32. A multiplier between -1 and 0 goes back.

    effopd extrapolate step_32/ step_64/ --multiplier 4 --out leap/
    """
    from effopd.checkpoints import make

    make.extrapolate(base, current, multiplier, out, progress=True)
    print(f"{out}: {current} and {multiplier:g} times the way from {base}")


def rescale(
    base: Model,
    early: Model,
    final: Model,
    out: Out,
    beta: Annotated[float, typer.Option(help="1 has the final norms, 0 is EARLY itself.")] = 1.0,
) -> None:
    """The direction of an early update at the length of the final one, tensor by tensor.

    If the result is as good as FINAL, the direction was found early and
    the rest was length. The new model has the files, names and dtypes of
    FINAL.

    effopd rescale base/ step_10/ step_100/ --out rescaled/
    """
    from effopd.checkpoints import make

    make.rescale(base, early, final, out, beta=beta, progress=True)
    print(f"{out}: the direction of {early}, its norms {beta:g} of the way to those of {final}")


def merge(
    base: Model,
    adapter: Annotated[str, typer.Argument(help="A folder of an adapter (peft, safetensors), or one on the hub.")],
    out: Out,
) -> None:
    """Put an adapter (LoRA and its kin) into its base: a whole model in float32. Needs peft: the extra `lora`.

    effopd merge base/ adapter/ --out merged/
    """
    from effopd.models.adapters import merge as merged
    from effopd.models.folder import check_new
    from effopd.models.hub import locate
    from effopd.models.store import save_model

    check_new(out)
    save_model(out, *merged(locate(base), locate(adapter)))
    print(f"{out}: {base} with {adapter} in its weights")
