"""The drawing of the page "One send is not one recv": two messages, their bytes on the wire, two receives, two frames.

What stands in it comes from a codec and its decoder; here is where it goes.
"""

from __future__ import annotations

from html import escape

from eyesocket import framing

MESSAGES = [b"first", b"second"]
CUT = 4
"""How many bytes the first receive gets."""

LEFT, CELL, TOP, ROW, HEIGHT = 150, 36, 46, 74, 30
COLOURS = ["#0969da", "#8250df"]
GREY, INK, PAPER = "#8c959f", "#1f2328", "#fbfcfe"


def svg() -> str:
    """Draw it."""
    codec = framing.LengthPrefixed(2)
    encoded = [codec.encode(message) for message in MESSAGES]
    wire = b"".join(encoded)
    decoder = codec.decoder()
    pieces = [wire[:CUT], wire[CUT:]]
    given = [decoder.feed(piece) for piece in pieces]
    if [frame for frames in given for frame in frames] != MESSAGES:
        message = f"the decoder gave {given}"
        raise RuntimeError(message)
    width, height = LEFT + CELL * len(wire) + 26, TOP + 4 * ROW - 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" font-family="ui-sans-serif, \'Segoe UI\', Helvetica, Arial, sans-serif" font-size="14">',
        f"<title>Two sends, {len(wire)} bytes on the wire, two receives, two frames</title>",
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="{PAPER}" stroke="#d0d7de"/>',
    ]
    for row, (label, hint) in enumerate(
        [
            ("send", "two messages"),
            ("the wire", f"{len(wire)} bytes, no borders"),
            ("recv", "what has come"),
            ("decoder", "frames"),
        ]
    ):
        y = TOP + row * ROW
        parts += [text(20, y + 15, label, weight="600"), text(20, y + 32, hint, fill="#59636e", size=11)]

    at, starts = 0, []
    for message, frame, colour in zip(MESSAGES, encoded, COLOURS, strict=True):
        prefix = len(frame) - len(message)
        parts.append(bar(at + prefix, len(message), 0, repr(message), colour))
        for offset, byte in enumerate(frame):
            parts.append(cell(at + offset, byte, colour, prefix=offset < prefix))
        starts.append((at, len(frame)))
        at += len(frame)

    done = at = 0
    for number, (piece, frames) in enumerate(zip(pieces, given, strict=True)):
        middle = LEFT + CELL * (at + len(piece) / 2)
        parts.append(bar(at, len(piece), 2, f"{len(piece)} bytes", GREY, dashed=True))
        for _ in frames:
            start, length = starts[done]
            parts.append(bar(start, length, 3, repr(MESSAGES[done]), COLOURS[done]))
            done += 1
        told = f"now {len(frames)} frames" if frames else "no frame yet"
        parts.append(text(middle, TOP + 3 * ROW - 14, told, fill="#59636e", size=11, middle=True))
        at += len(piece)
        if number == 0:
            x = LEFT + CELL * at
            parts.append(
                f'<path d="M{x},{TOP + ROW - 12} V{TOP + 2 * ROW + HEIGHT + 8}" stroke="#cf222e" stroke-width="2" '
                'stroke-dasharray="5 4"/>'
            )
            parts.append(text(x, TOP + ROW - 18, "cut", fill="#cf222e", size=11, middle=True))
    return "".join([*parts, "</svg>\n"])


def bar(start: int, count: int, row: int, label: str, colour: str, *, dashed: bool = False) -> str:
    """Draw something that is so many bytes wide."""
    x, y, width = LEFT + CELL * start + 2, TOP + row * ROW, CELL * count - 4
    style = ' stroke-dasharray="5 4" fill="#ffffff"' if dashed else f' fill="{colour}" fill-opacity="0.12"'
    box = f'<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="6" stroke="{colour}"{style}/>'
    return box + text(x + width / 2, y + 20, label, middle=True, fill=INK)


def cell(at: int, byte: int, colour: str, *, prefix: bool) -> str:
    """Draw one byte."""
    x, y = LEFT + CELL * at, TOP + ROW
    shade = "0.45" if prefix else "0.12"
    shown = chr(byte) if chr(byte).isalnum() else f"{byte:02x}"
    box = (
        f'<rect x="{x}" y="{y}" width="{CELL}" height="{HEIGHT}" fill="{colour}" fill-opacity="{shade}" stroke="#fff"/>'
    )
    return box + text(x + CELL / 2, y + 20, shown, middle=True, family="ui-monospace, Menlo, Consolas, monospace")


def text(
    x: float,
    y: float,
    words: str,
    *,
    fill: str = INK,
    size: int = 14,
    weight: str = "400",
    middle: bool = False,
    family: str = "",
) -> str:
    """Write words."""
    anchor = ' text-anchor="middle"' if middle else ""
    face = f' font-family="{family}"' if family else ""
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{fill}" font-size="{size}" font-weight="{weight}"{anchor}{face}>'
        f"{escape(words, quote=False)}</text>"
    )
