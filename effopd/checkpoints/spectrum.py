"""What training did to every weight matrix of a model: the spectrum of W − W_base, and where it lies in W_base."""

from __future__ import annotations

from dataclasses import dataclass

from tqdm import tqdm

from effopd.checkpoints.pair import Model, Pair, Place, match, not_finite, open_model
from effopd.spectral.decomposition import TOP_K
from effopd.spectral.metrics import (
    AverageMetrics,
    EmbeddingCosine,
    MatrixMetrics,
    average_metrics,
    embedding_cosine,
    update_metrics,
)
from effopd.spectral.modules import LeftOut, WeightMatrix, embedding_name, left_out, outer_matrices, weight_matrices
from effopd.spectral.updates import NotFiniteError


@dataclass(frozen=True)
class Spectrum:
    """The update from one model to another.

    matrices: a row for each, attention and MLP by layer, then embeddings and the output head.
    averages: by group; "all" is the mean over attention and MLP matrices, as in Table 1 of arXiv 2605.11739.
    left_out: tensors in no matrix. numbers: of all floating tensors. commits: of models on the hub, by role.
    """

    base: str
    trained: str
    commits: dict[str, str]
    matrices: tuple[MatrixMetrics, ...]
    averages: dict[str, AverageMetrics]
    embedding_cosine: EmbeddingCosine
    left_out: tuple[LeftOut, ...]
    numbers: int


def spectrum(base: Place, trained: Place, *, top_k: int = TOP_K, progress: bool = False) -> Spectrum:
    """Measure the update from `base` to `trained`, each a folder or OWNER/NAME@REVISION, matrix by matrix.

    top_k: the leading directions of a base matrix that count as principal. progress: a bar on stderr.
    Raises `DataError` in one line that names the file for models that are damaged, quantised or do not match.
    """
    pair = match(open_model(base), open_model(trained))
    inner, outer = weight_matrices(pair.shapes), outer_matrices(pair.shapes)
    bar = tqdm([*inner, *outer], desc="spectrum", unit="matrix", disable=not progress)
    rows = tuple(_measure(pair, matrix, top_k) for matrix in bar)
    groups: dict[str, list[MatrixMetrics]] = {"all": list(rows[: len(inner)])}
    for row in rows:
        groups.setdefault(row.kind, []).append(row)
    return Spectrum(
        base=pair.base.name,
        trained=pair.trained.name,
        commits=commits(base=pair.base, trained=pair.trained),
        matrices=rows,
        averages={kind: average_metrics(group) for kind, group in groups.items()},
        embedding_cosine=embedding_cosine(*pair.tensors(embedding_name(pair.names))),
        left_out=left_out(pair.shapes, [*inner, *outer]),
        numbers=pair.numbers,
    )


def commits(**models: Model) -> dict[str, str]:
    """The commits that models of the hub's cache are of, by role; nothing for folders elsewhere."""
    return {role: m.folder.name for role, m in models.items() if m.folder.parent.name == "snapshots"}


def _measure(pair: Pair, matrix: WeightMatrix, top_k: int) -> MatrixMetrics:
    base, trained = pair.tensors(matrix.parameter)
    try:
        return update_metrics(matrix, matrix.taken_from(base), matrix.taken_from(trained), top_k)
    except NotFiniteError as error:
        raise not_finite(pair.base if error.role == "base" else pair.trained, matrix.parameter) from None
