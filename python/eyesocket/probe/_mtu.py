"""A path's MTU as pictures: where it falls as Mermaid, the sizes tried as SVG."""

from __future__ import annotations

import html as escaping
from typing import TYPE_CHECKING

from eyesocket.probe._plot import image

if TYPE_CHECKING:
    from eyesocket.probe._trace import PathMtu

__all__ = ["html", "mermaid", "svg"]

STEP, WIDTH, LEFT, RIGHT = 24, 640, 90, 320
FILLS = {"fits": "#2563eb", "too big": "#d97706"}
"""What is neither is a loss, or no size at all."""


def mermaid(found: PathMtu) -> str:
    """Draw who says that a packet is too big, one after the other, and what the next link carries."""
    lines, last = ["graph LR", '  n0["here"]'], 0
    for step in found.steps:
        if step.outcome == "too big" and step.mtu is not None:
            last += 1
            lines.append(f'  n{last}["{_text(step.source or "this machine")}"]')
            lines.append(f"  n{last - 1} --> n{last}")
            lines.append(f'  n{last} -.- m{last}["next link: mtu {step.mtu}"]')
    what = "no size got through" if found.mtu is None else f"mtu {found.mtu}"
    lines.append(f'  n{last + 1}["{_text(found.address or found.host)}, {what}"]')
    lines.append(f"  n{last} --> n{last + 1}")
    return "\n".join(lines)


def svg(found: PathMtu) -> str:
    """Draw a bar a size tried, in order, and what came of it; the line is the MTU found."""
    most = max([step.size or 0 for step in found.steps] + [found.mtu or 0, 1])
    height = STEP * (len(found.steps) + 1) + 10
    scale = (WIDTH - LEFT - RIGHT) / most
    parts = []
    for place, step in enumerate(found.steps):
        y = 8 + STEP * place
        fill = FILLS.get(step.outcome, "#dc2626")
        parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{step.size or "?"}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{(step.size or 0) * scale:.1f}" height="15" fill="{fill}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{y + 12}" fill="#555">{_text(step.notes)}</text>')
    if found.mtu is not None:
        x, ground = LEFT + found.mtu * scale, height - STEP
        parts.append(f'<path d="M{x:.1f} 4V{ground}" stroke="#111" stroke-dasharray="4 3"/>')
        parts.append(f'<text x="{x:.1f}" y="{ground + 14}" text-anchor="middle">mtu {found.mtu}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{_text(repr(found))}">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>'
    )


def html(found: PathMtu, picture: str) -> str:
    """Give the picture, and the steps as a table."""
    rows = "".join(f"<tr><td>{step.size or ''}</td><td>{_text(step.notes)}</td></tr>" for step in found.steps)
    head = "<tr><th>bytes</th><th>what came</th></tr>"
    return f"<p>{_text(repr(found))}</p>{image(picture, repr(found))}<table>{head}{rows}</table>"


def _text(label: str) -> str:
    return escaping.escape(label if len(label) <= 200 else label[:199] + "…")
