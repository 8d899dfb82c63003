"""The tour: the article, chapter by chapter, on real sockets.

A chapter is a module of this package with `TITLE` and `tell(stage)`; it runs something for real, shows what came of it
and checks each claim it makes. It fails by a claim that does not hold or by an exception, and is skipped, with the
reason, where this machine does not allow it.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eyesocket._tour.stage import Claim, Fell, Skipped, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["CHAPTERS", "Told", "tell", "title"]

CHAPTERS: Sequence[str] = (
    "address",
    "tcp_echo",
    "udp_echo",
    "return_values",
    "send_buffer",
    "framing",
    "states",
    "time_wait",
    "http",
    "unix",
    "ping",
    "netstat_vs_ss",
    "drop_in",
)
"""The chapters in the article's order, and then what it has not."""


@dataclass(frozen=True)
class Told:
    """How one chapter went."""

    name: str
    title: str
    outcome: str
    """"held", "failed" or "skipped"."""
    seconds: float
    reason: str
    """Why it failed or was skipped; empty where it held."""
    claims: tuple[Claim, ...]

    def to_dict(self) -> dict[str, object]:
        """Give the plain values, for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 6),
            "reason": self.reason,
            "claims": [{"claim": claim.text, "held": claim.held} for claim in self.claims],
        }


def title(name: str) -> str:
    """Give the title of a chapter."""
    text: str = importlib.import_module(f"{__name__}.{name}").TITLE
    return text


def tell(names: Iterable[str], stage: Stage) -> Iterator[Told]:
    """Run the chapters one after the other; one that fails does not keep the next from running."""
    for number, name in enumerate(names, 1):
        began = time.monotonic()
        heading, outcome, reason = name, "held", ""
        try:
            heading = title(name)
            stage.open(number, heading)
            importlib.import_module(f"{__name__}.{name}").tell(stage)
        except Skipped as skipped:
            outcome, reason = "skipped", str(skipped)
            stage.aside(f"skipped: {reason}")
        except Fell as fell:
            outcome, reason = "failed", str(fell)
            if not stage.refuted:
                stage.fall(reason)
        except Exception as error:
            # Whatever it is, the other chapters are told too.
            outcome, reason = "failed", f"{type(error).__name__}: {error}"
            stage.fall(reason)
        claims = stage.close()
        if outcome == "held" and not claims:
            outcome, reason = "failed", "the chapter checked nothing"
        yield Told(name, heading, outcome, time.monotonic() - began, reason, claims)
