"""Responses in a notebook: head and body as framing delimits them, and when what happened."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eyesocket.http._parts import Timings
    from eyesocket.http._response import Response
    from eyesocket.http._wire import Wire

__all__ = ["response_bundle", "waterfall_html", "waterfall_svg", "waterfall_text", "wire_html", "wire_text"]

_MOST = 4096
_HEAD, _CONTENT, _FRAMING = "#0550ae", "#116329", "#953800"


def _readable(data: bytes) -> str:
    """Make bytes one line a line, what is no text as escapes, capped."""
    shown = data[:_MOST]
    text = "".join(
        chr(byte) if 32 <= byte < 127 else {13: "\\r", 10: "\\n\n", 9: "\\t"}.get(byte, f"\\x{byte:02x}")
        for byte in shown
    )
    return text + (f"... {len(data) - _MOST} bytes more" if len(data) > _MOST else "")


def _spans(wire: Wire) -> list[tuple[str, bytes]]:
    """Cut what was received into head, framing and content."""
    spans: list[tuple[str, bytes]] = []
    received = wire.received
    at = 0
    for start, end in wire.heads:
        spans.append(("head", received[start:end]))
        at = end
    for start, end in wire.content:
        if start > at:
            spans.append(("framing", received[at:start]))
        spans.append(("content", received[start:end]))
        at = end
    if at < len(received):
        spans.append(("framing", received[at:]))
    return spans


def wire_text(wire: Wire) -> str:
    """Give the exchange as text, `>` sent and `<` received."""
    lines = [f"> {line}" for line in _readable(wire.sent).splitlines()]
    for kind, data in _spans(wire):
        mark = {"head": "<", "framing": "<.", "content": "<|"}[kind]
        lines += [f"{mark} {line}" for line in _readable(data).splitlines()]
    return "\n".join(lines)


def wire_html(wire: Wire) -> str:
    """Give the exchange as HTML: head, framing and content in a colour each."""
    colour = {"head": _HEAD, "framing": _FRAMING, "content": _CONTENT}
    received = "".join(
        f'<span style="color:{colour[kind]}" title="{kind}, {len(data)} bytes">{escape(_readable(data))}</span>'
        for kind, data in _spans(wire)
    )
    legend = " ".join(f'<b style="color:{value}">{name}</b>' for name, value in colour.items())
    return (
        f"<div><b>sent</b> {wire.total_sent} bytes</div><pre>{escape(_readable(wire.sent))}</pre>"
        f"<div><b>received</b> {wire.total_received} bytes ({legend})</div><pre>{received}</pre>"
    )


def _phases(timings: Timings) -> list[tuple[str, float, float]]:
    """Give name, begin and end of each phase, in seconds."""
    found: list[tuple[str, float, float]] = []
    at = 0.0
    for name, end in (
        ("name", timings.dns),
        ("connect", timings.connect),
        ("TLS", timings.tls),
        ("send", timings.sent),
        ("wait", timings.first_byte),
        ("receive", timings.done),
    ):
        if end is not None:
            found.append((name, at, max(end, at)))
            at = max(end, at)
    return found


def waterfall_text(timings: Timings, width: int = 40) -> str:
    """Give the phases as bars of text."""
    phases = _phases(timings)
    total = max((end for _, _, end in phases), default=0.0) or 1e-9
    lines = []
    for name, start, end in phases:
        first = round(start / total * width)
        length = max(1, round(end / total * width) - first)
        lines.append(f"{name:<8}{' ' * min(first, width - 1)}{'#' * length}  {(end - start) * 1000:.2f} ms")
    return "\n".join(lines)


def waterfall_html(timings: Timings) -> str:
    """Give the phases as bars of HTML, for where SVG within it is taken out (notebooks that are not trusted)."""
    phases = _phases(timings)
    total = max((end for _, _, end in phases), default=0.0) or 1e-9
    rows = []
    for name, start, end in phases:
        left, width = start / total * 400, max(1.0, (end - start) / total * 400)
        bar = f'<div style="margin-left:{left:.1f}px;width:{width:.1f}px;height:14px;background-color:#54aeff"></div>'
        cells = f'<td style="text-align:left">{name}</td><td style="width:400px;text-align:left">{bar}</td>'
        rows.append(f"<tr>{cells}<td>{(end - start) * 1000:.2f} ms</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def waterfall_svg(timings: Timings) -> str:
    """Give the phases as an SVG drawing."""
    phases = _phases(timings)
    total = max((end for _, _, end in phases), default=0.0) or 1e-9
    rows = []
    for row, (name, start, end) in enumerate(phases):
        x, width = 80 + start / total * 400, max(1.0, (end - start) / total * 400)
        y = row * 20
        rows.append(
            f'<text x="4" y="{y + 14}">{name}</text><rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="14" '
            f'fill="#54aeff"/><text x="490" y="{y + 14}">{(end - start) * 1000:.2f} ms</text>'
        )
    height = 20 * len(phases) + 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 580 {height}" width="580" height="{height}" '
        f'font-family="monospace" font-size="12" fill="currentColor">{"".join(rows)}</svg>'
    )


def response_bundle(response: Response) -> dict[str, str]:
    """Give a response for a notebook: as text, as HTML with its wire, and its waterfall as a picture."""
    parts = [f"<div><b>{escape(repr(response))}</b> {escape(response._native.shown_url)}</div>"]
    parts.append(waterfall_html(response.timings))
    parts.append(f"<details><summary>wire</summary>{wire_html(response.wire)}</details>")
    return {
        "text/plain": f"{response!r}\n{waterfall_text(response.timings)}",
        "text/html": "".join(parts),
        "image/svg+xml": waterfall_svg(response.timings),
    }
