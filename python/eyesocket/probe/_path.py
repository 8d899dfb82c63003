"""A path as pictures: a table, a graph as Mermaid, a ladder of hops as SVG."""

from __future__ import annotations

import html as escaping
from typing import TYPE_CHECKING

from eyesocket.probe._plot import image

if TYPE_CHECKING:
    from eyesocket.probe._trace import Hop, Trace

__all__ = ["html", "mermaid", "svg"]

STEP, WIDTH = 34, 640


def mermaid(trace: Trace) -> str:
    """Draw the graph of the addresses: a silent distance is a node too, a link that no flow shows is dotted."""
    names: dict[str, str] = {}

    def node(label: str) -> str:
        return names.setdefault(label, f"n{len(names)}")

    edges: dict[str, None] = {}

    def join(a: str, b: str, arrow: str) -> None:
        edges[f"  {node(a)} {arrow} {node(b)}"] = None

    links = set(trace.links)
    near = ["here"]
    for hop in trace.hops:
        far = list(hop.addresses) or [f"* {hop.ttl}"]
        known = {(a, b) for a in near for b in far if (a, b) in links or len(near) == len(far) == 1}
        begun, ended = {a for a, _ in known}, {b for _, b in known}
        for a in near:
            for b in far:
                if (a, b) in known:
                    join(a, b, "-->")
                elif a not in begun or b not in ended:
                    join(a, b, "-->" if len(near) == 1 else "-.->")
        near = far
    nodes = [f'  {name}["{_text(label)}"]' for label, name in names.items()]
    return "\n".join(["graph LR", *nodes, *edges])


def svg(trace: Trace) -> str:
    """Draw the path as a ladder: a rung a hop, its addresses and its times."""
    height = STEP * (len(trace.hops) + 1) + 10
    parts = [f'<path d="M40 20V{height - 20}" stroke="#999" stroke-width="2"/>']
    parts.append('<circle cx="40" cy="20" r="6" fill="#555"/><text x="58" y="24">here</text>')
    for place, hop in enumerate(trace.hops, 1):
        y = 20 + STEP * place
        fill = "#2563eb" if hop.addresses else "#dc2626"
        parts.append(f'<circle cx="40" cy="{y}" r="6" fill="{fill}"/>')
        parts.append(f'<text x="20" y="{y + 4}" text-anchor="end">{hop.ttl}</text>')
        parts.append(f'<text x="58" y="{y + 4}">{_text(", ".join(hop.addresses) or "*")}</text>')
        parts.append(f'<text x="{WIDTH - 10}" y="{y + 4}" text-anchor="end" fill="#555">{_text(_notes(hop))}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{_text(repr(trace))}">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>'
    )


def html(trace: Trace) -> str:
    """Give the ladder, and the hops as a table."""
    rows = "".join(
        f"<tr><td>{hop.ttl}</td><td>{_text(', '.join(hop.addresses) or '*')}</td><td>{_text(_notes(hop))}</td></tr>"
        for hop in trace.hops
    )
    picture = image(svg(trace), repr(trace))
    return f"<p>{_text(repr(trace))}</p>{picture}<table><tr><th>hop</th><th>who</th><th>what</th></tr>{rows}</table>"


def _notes(hop: Hop) -> str:
    notes = [f"{min(hop.rtts) * 1000:.3f} ms"] if hop.rtts else []
    notes += [f"{hop.loss:.0%} lost"] if hop.loss else []
    notes += [f"mtu {hop.mtu}"] if hop.mtu is not None else []
    notes += [f"MPLS {label.label}" for label in hop.labels]
    return ", ".join(notes)


def _text(label: str) -> str:
    return escaping.escape(label if len(label) <= 200 else label[:199] + "…")
