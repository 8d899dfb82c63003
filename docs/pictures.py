"""Draws the pictures of these pages and of the README by the package itself.

python docs/pictures.py           write them
python docs/pictures.py --check   fail if one is not what this would write
"""

from __future__ import annotations

import sys
from pathlib import Path

import bytes_and_frames

from eyesocket import tcp

FOLDER = Path(__file__).with_name("pictures")


def pictures() -> dict[str, str]:
    """Give each picture's file name and text."""
    half_closed = tcp.diagram(client=tcp.State.CLOSE_WAIT, server=tcp.State.FIN_WAIT_2)
    return {"states.svg": half_closed.svg().rstrip() + "\n", "bytes_and_frames.svg": bytes_and_frames.svg()}


def main() -> int:
    """Write or check; give the exit status."""
    check = sys.argv[1:] == ["--check"]
    stale = [name for name, text in pictures().items() if not same(FOLDER / name, text)]
    for name in stale:
        if check:
            sys.stderr.write(f"docs/pictures/{name} is stale: run python docs/pictures.py\n")
        else:
            (FOLDER / name).write_text(pictures()[name])
    return 1 if check and stale else 0


def same(path: Path, text: str) -> bool:
    """Whether a file says this already."""
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    raise SystemExit(main())
