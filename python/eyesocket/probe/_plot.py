"""A ping as a picture: a point a reply, in order, losses marked on the ground line."""

from __future__ import annotations

import base64
import html as escaping
from typing import TYPE_CHECKING

from eyesocket.probe._events import ErrorReply, Reply

if TYPE_CHECKING:
    from eyesocket.probe._result import PingResult

__all__ = ["html", "image", "svg"]

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 200, 64, 16, 28
POINTS = 2000
"""More than this many events are thinned out: nobody can see them all."""
ROWS = 50
"""More events than this are not listed in the table."""


def svg(result: PingResult) -> str:
    """Draw the round-trip times over the probes' numbers."""
    step = max(1, -(-len(result.events) // POINTS))
    events = result.events[::step]
    rtts = [event.rtt for event in events if isinstance(event, Reply)]
    top = max(rtts, default=0.001) or 0.001
    last = max((event.sequence for event in events), default=1)

    def x(sequence: int) -> float:
        return LEFT + (sequence - 0.5) / last * (WIDTH - LEFT - 8)

    def y(rtt: float) -> float:
        return TOP + (1 - rtt / top) * (HEIGHT - TOP - BOTTOM)

    ground = y(0)
    marks = []
    for event in events:
        title = f"<title>{_label(str(event))}</title>"
        across = x(event.sequence)
        if isinstance(event, Reply):
            fill = "#d97706" if event.flags else "#2563eb"
            marks.append(f'<circle cx="{across:.1f}" cy="{y(event.rtt):.1f}" r="3" fill="{fill}">{title}</circle>')
        else:
            stroke = "#7c3aed" if isinstance(event, ErrorReply) else "#dc2626"
            cross = f"M{across - 4:.1f} {ground - 4:.1f}l8 8m0 -8l-8 8"
            marks.append(f'<path d="{cross}" stroke="{stroke}" stroke-width="2">{title}</path>')
    text = 'font-family="sans-serif" font-size="11" fill="#555"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{_label(repr(result))}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<path d="M{LEFT} {TOP}V{ground:.1f}H{WIDTH - 8}" fill="none" stroke="#999"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end" {text}>{top * 1000:.3g} ms</text>'
        f'<text x="{LEFT - 6}" y="{ground:.1f}" text-anchor="end" {text}>0</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 8}" {text}>probe 1</text>'
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 8}" text-anchor="end" {text}>{last}</text>'
        f"{''.join(marks)}</svg>"
    )


def image(picture: str, text: str) -> str:
    """Put an SVG into HTML as an image: notebooks that are not trusted strip SVG elements, and keep images."""
    data = base64.b64encode(picture.encode()).decode()
    return f'<img alt="{_label(text)}" src="data:image/svg+xml;base64,{data}">'


def html(result: PingResult, picture: str) -> str:
    """Give the figures, the picture, and the first events as a table."""
    rows = "".join(
        f"<tr><td>{event.sequence}</td><td style='text-align:left'>{_label(str(event))}</td></tr>"
        for event in result.events[:ROWS]
    )
    more = len(result.events) - ROWS
    note = f"<tr><td></td><td>and {more} more</td></tr>" if more > 0 else ""
    head = "<tr><th>probe</th><th style='text-align:left'>what came</th></tr>"
    return f"<div><p>{_label(repr(result))}</p>{image(picture, repr(result))}<table>{head}{rows}{note}</table></div>"


def _label(text: str) -> str:
    return escaping.escape(text if len(text) <= 200 else text[:199] + "…")
