"""Early alignment against k: the same trajectories, compared by their first, their leading 4 and 20 directions.

Two readings of "dominant subspace" are measured: singular vectors one by one, as the document has it, and the principal
angles of the spans. Beside each stands what two unrelated updates of the same shapes would have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

import numpy as np

from effopd.findings.comparisons import Check
from effopd.findings.estimates import Interval, over_matrices
from effopd.findings.measures import label_of
from effopd.seeding import generator
from effopd.studies.answers import Answer, Number
from effopd.studies.variants import Variant

EARLY = 0.1  # of training
MEASURES = {"top_k_cosine": "single vectors", "principal_angle": "subspaces"}
LEAD, CHANCE = "OPD minus RL", "chance"
DRAWS = 200  # random subspaces of each shape


def conclude(_: Sequence[str], variants: Sequence[Variant]) -> Answer:
    """OPD has to lead by the whole interval over weight matrices, for each k and by both measures."""
    numbers: list[Number] = []
    checks: list[Check] = []
    said = []
    for measure, name in MEASURES.items():
        each, leads = [], dict[int, Check]()
        for variant in variants:
            found = {number.series: number for number in _numbers(variant, measure)}
            numbers += found.values()
            opd, rl, chance, lead = (found[series].value for series in ("OPD", "RL", CHANCE, LEAD))
            k = variant.params.spectral.top_k
            leads[k] = None if math.isnan(lead.low) else lead.low > 0
            each.append(
                f"k = {k}: {opd.value:.2f} against {rl.value:.2f}, a lead of "
                f"{lead.value:+.3f} ({lead.low:+.3f} to {lead.high:+.3f}), by chance {chance.value:.2f}"
            )
        checks += leads.values()
        said.append(f"By {name}, OPD leads {_where(leads)}: {'; '.join(each)}.")
    return Answer(numbers, checks, " ".join(said))


def _where(leads: Mapping[int, Check]) -> str:
    """By k, whether OPD leads: `at k = 4 and 20, not at k = 1`."""
    groups = {
        "at k =": [str(k) for k, ahead in leads.items() if ahead],
        "not at k =": [str(k) for k, ahead in leads.items() if ahead is False],
        "with too early a tenth to tell at k =": [str(k) for k, ahead in leads.items() if ahead is None],
    }
    return ", ".join(f"{said} {' and '.join(ks)}" for said, ks in groups.items() if ks)


def _numbers(variant: Variant, measure: str) -> Iterator[Number]:
    """Levels of OPD and RL, what chance gives, and OPD's lead: means over weight matrices, replicates averaged."""
    label, axis = f"k = {variant.params.spectral.top_k}", f"alignment of {MEASURES[measure]}"
    confidence = variant.evidence.confidence
    opd, rl = (_by_matrix(variant, method, measure) for method in ("opd", "rl"))
    for method, values in (("opd", opd), ("rl", rl)):
        yield Number(axis, label, label_of(method), _mean(list(values.values()), confidence))
    yield Number(axis, label, CHANCE, Interval(_by_chance(variant, measure)))
    gaps = [value - rl[name] for name, value in opd.items() if name in rl]
    yield Number(f"OPD's lead in {axis}", label, LEAD, _mean(gaps, confidence))


def _mean(values: Sequence[float], confidence: float) -> Interval:
    """NaN where a tenth of training lies before the first checkpoint, so that no matrix has a value."""
    return over_matrices(values, confidence) if len(values) > 1 else Interval(math.nan)


def _by_matrix(variant: Variant, method: str, measure: str) -> dict[str, float]:
    """Averaged over the method's runs; a matrix that one of them has not moved by then is left out."""
    runs = [variant.aligned_at(run.name, measure, EARLY) for run in variant.evidence.results.of(method)]
    return {name: fmean(run[name] for run in runs) for name in runs[0] if all(name in run for run in runs)}


def _by_chance(variant: Variant, measure: str) -> float:
    """What unrelated updates have, averaged over the weight matrices."""
    shapes = [(variant.lengths[row.name], row.k) for row in next(iter(variant.alignment.values())) if row.k]
    if measure == "top_k_cosine":
        return fmean(chance_of_vectors(length) for length, _ in shapes)
    seed = variant.params.run.seed
    simulated = {shape: chance_of_subspaces(*shape, seed) for shape in dict.fromkeys(shapes)}
    return fmean(simulated[shape] for shape in shapes)


def chance_of_vectors(length: int) -> float:
    """E|cos| of two independent, uniformly random directions in `length` dimensions: Γ(n/2) / (√π Γ((n+1)/2)).

    So it is for the j-th vectors of two independent random bases, whatever j.
    """
    return math.exp(math.lgamma(length / 2) - math.lgamma((length + 1) / 2)) / math.sqrt(math.pi)


def chance_of_subspaces(length: int, k: int, seed: int) -> float:
    """The mean cosine of the principal angles of two independent, uniformly random k-dimensional subspaces, simulated.

    By symmetry one of the two may be fixed: it is the span of the first k axes.
    """
    draws = generator(seed, "chance", length, k)
    cosines = []
    for _ in range(DRAWS):
        span_MK, _ = np.linalg.qr(draws.standard_normal((length, k)))
        cosines.append(np.linalg.svd(span_MK[:k], compute_uv=False).mean())
    return float(np.mean(cosines))
