"""docs/findings.md: what the studies found, a line for each, and every claim under every study."""

from __future__ import annotations

from collections.abc import Sequence

from effopd.findings.claims import CLAIMS
from effopd.studies.record import Record

HEAD = """# Findings

What the studies of [profiles/studies](../profiles/studies) found, from their records in
[reports/studies](../reports/studies). Written by `make studies`; [how](studies.md).
"""
BETWEEN = """## Claims under studies

The verdict on a claim of the [report](report.md#what-is-checked) over all variants of a study: what all of them say, or
*partly*. `–`: the study was not asked.
"""
MARKS = {"reproduced": "**reproduced**"}


def findings(records: Sequence[Record]) -> str:
    """The page as Markdown. The same records give the same text."""
    lines = [HEAD]
    for one in records:
        said = f"*{one.statement}* **{one.verdict.capitalize()}.** {one.sentence}"
        lines.append(f"**{one.name.capitalize()}.** {one.question} {said}\n")
    asked = [claim for claim in CLAIMS if any(claim.name in one.claims for one in records)]
    lines += [BETWEEN, f"| claim | {' | '.join(one.name for one in records)} |", f"| --- |{' --- |' * len(records)}"]
    for claim in asked:
        cells = [MARKS.get(found, found) for found in (one.claims.get(claim.name, "–") for one in records)]
        lines.append(f"| `{claim.name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
