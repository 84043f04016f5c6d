"""The figures as a picture: a bar for each, in units of what it is meant to be."""

from collections.abc import Mapping, Sequence
from html import escape

ROW, LEFT, WIDTH = 22, 340, 420


def draw(rows: Sequence[Mapping[str, object]]) -> str:
    """An SVG of the rows that have a limit: green within it, red beyond; the line is the limit."""
    shown = [row for row in rows if str(row["meant"])[:1] in {"≤", "≥"}]
    height = ROW * (len(shown) + 2)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 120}" height="{height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    )
    parts = [head]
    for number, row in enumerate(shown):
        limit, value = float(str(row["meant"])[1:]), float(str(row["value"]))
        good = value <= limit if str(row["meant"]).startswith("≤") else value >= limit
        colour = "#2a7" if good else "#c33"
        length, y = min(value / limit, 2.0) * WIDTH / 2, ROW * (number + 1)
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(str(row["name"]).strip())}</text>'
            f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" fill="{colour}"/>'
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}">{value:g} {row["unit"]} ({row["meant"]})</text>'
        )
    middle = LEFT + WIDTH / 2
    parts.append(f'<line x1="{middle}" y1="{ROW}" x2="{middle}" y2="{height - ROW}" stroke="#888"/></svg>\n')
    return "".join(parts)
