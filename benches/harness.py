"""Measuring side by side: what a topic declares, and how it is run and told.

A topic is a module of this package with a `TITLE` and functions under `@comparison`. Such a function makes what its
subjects share and yields them by name, ours first:

    @comparison("4 bytes that are there", targets={"Python loop": 1.0})
    def waiting() -> Iterator[Subjects]:
        with somewhere() as s:
            yield {"eyesocket": lambda: ours(s), "Python loop": lambda: loop(s), "nginx": Missing("not installed")}

A subject is called again and again; it gives nothing and is timed, or gives the seconds (or whatever `unit` says,
less is better) that it measured itself. Subjects take turns within each round, so a noisy machine disturbs all alike,
and only ratios within a round are told: above 1 means that ours needs less. Two kinds of comparison are told otherwise:
quick calls that wait for nothing (`steady`), and what has a limit and no peer to beat (`absolute`).
"""

from __future__ import annotations

import math
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

__all__ = [
    "Comparison",
    "Missing",
    "Result",
    "Subjects",
    "comparison",
    "comparisons",
    "machine",
    "package",
    "pinned",
    "program",
]


@dataclass(frozen=True)
class Missing:
    """A peer that is not on this machine, and why; it is left out and the reason is printed."""

    reason: str


Subject = Callable[[], float | None]
Subjects = Mapping[str, Subject | Missing]


@dataclass(frozen=True)
class Comparison:
    """What is compared: by name the peers that `prepare` gives, ours first."""

    name: str
    prepare: Callable[[], AbstractContextManager[Subjects]]
    unit: str = "s"
    targets: Mapping[str, float] = field(default_factory=dict)
    """The ratio to reach against a peer, where one is stated."""
    at_most: Mapping[str, float] = field(default_factory=dict)
    """What a subject may cost in itself, in the unit, where that is stated."""
    steady: bool = False
    """All is one thread's work: its CPU time counts, and the ratio is that of the lower quartiles."""
    absolute: bool = False
    """No ratios: the median of each subject, and the worst, which is held against the limit."""


def comparison(
    name: str,
    *,
    unit: str = "s",
    targets: Mapping[str, float] | None = None,
    at_most: Mapping[str, float] | None = None,
    steady: bool = False,
    absolute: bool = False,
) -> Callable[[Callable[[], Iterator[Subjects]]], Comparison]:
    """Declare a comparison; `targets` are the ratios to reach, by peer, `at_most` the costs to keep, by subject."""

    def declare(prepare: Callable[[], Iterator[Subjects]]) -> Comparison:
        return Comparison(name, contextmanager(prepare), unit, targets or {}, at_most or {}, steady, absolute)

    return declare


def comparisons(topic: ModuleType) -> list[Comparison]:
    """Give the comparisons of a topic, in the order of its file."""
    return [value for value in vars(topic).values() if isinstance(value, Comparison)]


def program(name: str) -> Path | Missing:
    """Find a program of the system, or say that it is missing."""
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    return Path(found) if found else Missing(f"{name} is not installed (make comparisons installs it)")


@contextmanager
def pinned() -> Iterator[None]:
    """Keep this process and its children on one core: a round trip then does not depend on their placement."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def package(name: str) -> Missing | None:
    """Say that a Python package is missing, if it is."""
    try:
        version(name)
    except PackageNotFoundError:
        return Missing(f"the package {name} is not installed (dependency group `bench`)")
    return None


@dataclass(frozen=True)
class Kept:
    """One subject against what it may cost, over all rounds."""

    subject: str
    costs: tuple[float, ...]
    limit: float

    def cells(self, unit: str) -> list[str]:
        """Write it as the cells of a row; the verdict is last."""
        cost = statistics.median(self.costs)
        told = "met" if cost <= self.limit else "**missed**"
        return [self.subject, amount(cost, unit), "", "", "", around(self.costs), f"{amount(self.limit, unit)} {told}"]


@dataclass(frozen=True)
class Told:
    """One subject by itself, over all rounds."""

    subject: str
    costs: tuple[float, ...]
    limit: float | None

    def cells(self, unit: str) -> list[str]:
        """Write it as the cells of a row; the verdict is last."""
        worst = max(self.costs)
        verdict = ""
        if self.limit is not None:
            verdict = f"{amount(self.limit, unit)} " + ("met" if worst <= self.limit else "**missed**")
        return [self.subject, amount(statistics.median(self.costs), unit), amount(worst, unit), verdict]


@dataclass(frozen=True)
class Result:
    """One peer against ours, over all rounds."""

    peer: str
    ratios: tuple[float, ...]
    ours: float
    """Ours, median (or lower quartile) over the rounds, in the comparison's unit a call."""
    theirs: float
    target: float | None
    steady: bool = False

    @property
    def ratio(self) -> float:
        """The figure that is told: the median of the ratios, or the ratio of the quartiles."""
        return self.theirs / self.ours if self.steady else statistics.median(self.ratios)

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        if self.target is None:
            return ""
        return f"{self.target:g} met" if self.ratio >= self.target else f"{self.target:g} **missed**"

    def cells(self, unit: str) -> list[str]:
        """Write it as the cells of a row; the verdict is last."""
        return [
            self.peer,
            amount(self.ours, unit),
            amount(self.theirs, unit),
            f"{self.ratio:.2f}",
            f"{min(self.ratios):.2f}",
            around(self.ratios),
            self.verdict,
        ]


def around(values: tuple[float, ...]) -> str:
    """Write how far values are apart: half the distance between the quartiles, as a share of the median."""
    median = statistics.median(values)
    if len(values) < 4:
        spread = (max(values) - min(values)) / 2 / median
    else:
        low, _, high = statistics.quantiles(values, n=4)
        spread = (high - low) / 2 / median
    return f"± {100 * spread:.0f} %"


Clock = Callable[[], float]


def once(subject: Subject, calls: int, clock: Clock = time.perf_counter) -> float:
    """Call a subject so often; give its cost a call."""
    began = clock()
    told = [subject() for _ in range(calls)]
    elapsed = clock() - began
    if told[0] is None:
        return elapsed / calls
    return statistics.fmean(value for value in told if value is not None)


def calibrate(subject: Subject, seconds: float) -> int:
    """Find how many calls take about so long; this also warms up."""
    calls = 1
    while True:
        began = time.perf_counter()
        for _ in range(calls):
            subject()
        elapsed = time.perf_counter() - began
        if elapsed >= seconds / 2:
            return max(1, round(calls * seconds / elapsed))
        calls *= max(2, min(10, math.ceil(seconds / max(elapsed, 1e-9))))


def measure(
    subjects: Mapping[str, Subject], rounds: int, seconds: float, compared: Comparison
) -> dict[str, list[float]]:
    """Run the subjects in turns; each round begins with another one."""
    names = list(subjects)
    calls = {name: calibrate(subject, seconds) for name, subject in subjects.items()}
    clock = time.thread_time if compared.steady else time.perf_counter
    if compared.steady:
        # More turns, and shorter ones: what disturbs the machine disturbs fewer of them.
        rounds, calls = 4 * rounds, {name: max(1, count // 4) for name, count in calls.items()}
    elif compared.absolute:
        # The worst of all is to be told, so each call is a turn.
        rounds, calls = 10 * rounds, dict.fromkeys(names, 1)
    costs: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            costs[name].append(once(subjects[name], calls[name], clock))
    return costs


def low(costs: list[float]) -> float:
    """Give the lower quartile."""
    return statistics.quantiles(costs, n=4)[0] if len(costs) > 1 else costs[0]


Row = Result | Kept | Told


def run(compared: Comparison, rounds: int = 15, seconds: float = 0.03) -> tuple[list[Row], dict[str, Missing]]:
    """Measure one comparison: what may be spent, the results by peer, and who is missing."""
    with compared.prepare() as given:
        missing = {name: subject for name, subject in given.items() if isinstance(subject, Missing)}
        subjects = {name: subject for name, subject in given.items() if not isinstance(subject, Missing)}
        if unknown := {*compared.targets, *compared.at_most} - set(given):
            message = f"{compared.name}: a target for {', '.join(sorted(unknown))}, which is no subject"
            raise ValueError(message)
        ours = next(iter(given))
        if ours in missing:
            return [], missing
        costs = measure(subjects, rounds, seconds, compared)
    if compared.absolute:
        return [Told(name, tuple(costs[name]), compared.at_most.get(name)) for name in subjects], missing
    typical = low if compared.steady else statistics.median
    kept: list[Row] = [
        Kept(name, tuple(costs[name]), limit) for name, limit in compared.at_most.items() if name in costs
    ]
    results = [
        Result(
            peer,
            tuple(theirs / own for theirs, own in zip(costs[peer], costs[ours], strict=True)),
            typical(costs[ours]),
            typical(costs[peer]),
            compared.targets.get(peer),
            compared.steady,
        )
        for peer in subjects
        if peer != ours
    ]
    return kept + results, missing


def amount(value: float, unit: str) -> str:
    """Write a cost as a person reads it."""
    if unit != "s":
        return f"{value:,.4g} {unit}"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def machine() -> str:
    """Say in one line what it ran on."""
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{model}, {cores} cores, {system}, CPython {platform.python_version()}, eyesocket {version('eyesocket')}"


HEADS = {
    "absolute": ["| what | subject | median | worst | limit, of the worst |", "|---|---|--:|--:|---|"],
    "steady": [
        "CPU time of the thread that does it all. Ours and the peer's are the lower quartiles of the turns, the",
        "ratio is that of these two; min and spread are of the ratios of neighbours.",
        "",
        "| what | peer | ours | peer's | ratio of lower quartiles | min | spread | target |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ],
    "": [
        "| what | peer, or the subject that has a limit | ours | peer's | ratio: median | min | spread | target |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ],
}
"""Of a topic's table, by how it is measured."""


def report(title: str, told: list[tuple[Comparison, list[Row], dict[str, Missing]]]) -> str:
    """Write one topic as Markdown."""
    kinds = {"absolute" if c.absolute else "steady" if c.steady else "" for c, _, _ in told}
    if len(kinds) > 1:
        message = f"{title}: one table cannot tell what is measured in several ways"
        raise ValueError(message)
    lines = [f"## {title}", "", *HEADS[kinds.pop() if kinds else ""]]
    absent: dict[str, str] = {}
    for compared, results, missing in told:
        for result in results:
            cells = [compared.name, *result.cells(compared.unit)]
            lines.append("| " + " | ".join(cells) + " |")
        absent |= {f"{compared.name}: {name}": gone.reason for name, gone in missing.items()}
    if absent:
        lines += ["", "Left out here:", ""]
        lines += [f"* {name}: {reason}" for name, reason in absent.items()]
    return "\n".join(lines) + "\n"


def progress(text: str) -> None:
    """Tell a person what is being measured."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
