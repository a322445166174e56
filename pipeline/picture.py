"""The DAG as an SVG picture: one column per wave, one box per stage instance, coloured by outcome."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from html import escape

from pipeline.dag import Dag
from pipeline.outcome import Outcome

COLOURS = {
    Outcome.RAN: "#1e8449",
    Outcome.CACHED: "#5d6d7e",
    Outcome.RESTORED: "#2471a3",
    Outcome.FAILED: "#c0392b",
    Outcome.SKIPPED: "#b9770e",
}
RUNNING = "#d68910"  # the frame of what runs
LETTER = 7.3  # width of a letter of the font, in pixels
HEIGHT, ROW, GAP, MARGIN, LEGEND = 26, 36, 64, 16, 30


def draw(dag: Dag, outcomes: Mapping[str, Outcome], running: Collection[str] = ()) -> str:
    """An SVG document. Boxes without an outcome yet are white, those of what runs have a frame."""
    waves = dag.waves()
    columns: dict[int, list[str]] = defaultdict(list)
    for name in dag.stages:
        columns[waves[name]].append(name)
    widths = [max(len(name) for name in columns[wave]) * LETTER + 20 for wave in sorted(columns)]
    lefts = [MARGIN + sum(widths[:wave]) + wave * GAP for wave in range(len(widths))]
    tallest = max((len(names) for names in columns.values()), default=0)
    place = {}
    for wave, names in columns.items():
        top = MARGIN + (tallest - len(names)) * ROW / 2
        for row, name in enumerate(names):
            place[name] = (lefts[wave], top + row * ROW, widths[wave])
    legend_width = sum(len(outcome) * LETTER + 34 for outcome in COLOURS)
    width = max(sum(widths) + max(len(widths) - 1, 0) * GAP, legend_width) + 2 * MARGIN
    height = tallest * ROW + LEGEND + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="monospace" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for name, node in dag.stages.items():
        right_x, right_y, _ = place[name]
        for upstream in node.upstream:
            x, y, box = place[upstream]
            start, end, bend = (x + box, y + HEIGHT / 2), (right_x, right_y + HEIGHT / 2), GAP / 2
            parts.append(
                f'<path d="M{start[0]:.1f},{start[1]:.1f} C{start[0] + bend:.1f},{start[1]:.1f} '
                f'{end[0] - bend:.1f},{end[1]:.1f} {end[0]:.1f},{end[1]:.1f}" fill="none" stroke="#aab7b8"/>'
            )
    for name in dag.stages:
        x, y, box = place[name]
        parts += _box(x, y, box, name, outcomes.get(name), frame=RUNNING if name in running else "#aab7b8")
    x = float(MARGIN)
    for outcome in COLOURS:
        parts += _box(x, height - MARGIN - HEIGHT, len(outcome) * LETTER + 20, outcome, outcome)
        x += len(outcome) * LETTER + 34
    return "".join([*parts, "</svg>"])


def _box(x: float, y: float, width: float, text: str, outcome: Outcome | None, frame: str = "#aab7b8") -> list[str]:
    fill, ink = (COLOURS[outcome], "white") if outcome else ("white", "#17202a")
    return [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HEIGHT}" rx="5" fill="{fill}" '
        f'stroke="{frame}" stroke-width="{3 if frame == RUNNING else 1}"/>',
        f'<text x="{x + width / 2:.1f}" y="{y + 17:.1f}" text-anchor="middle" fill="{ink}">{escape(text)}</text>',
    ]
