"""From a study and its variants to its record: which module concludes what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from effopd.studies import alignment, critic, depth, proportions, rates
from effopd.studies.answers import Answer, Conclude
from effopd.studies.spec import Study
from effopd.studies.variants import Variant

CONCLUDES: Mapping[str, Conclude] = {
    "alignment": alignment.conclude,
    "proportions": proportions.conclude,
    "critic": critic.conclude,
    "depth": depth.conclude,
    "rates": rates.conclude,
}
"""By the name of the study's file."""


def conclude(name: str, study: Study, variants: Sequence[Variant]) -> Answer:
    return CONCLUDES[name](study.claims, variants)
