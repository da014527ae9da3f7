"""kfrun of before and of now, measured by turns: whether anything takes more. Called by `tests.bench.__main__`."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.bench.figures import Figure, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.bench.setting import Setting

    Benchmark = Callable[[Setting], list[Figure]]
    Measure = Callable[[Benchmark], list[Figure]]

_HEAD = (
    "| what | before | after | after / before | goal | |\n"
    "|---|---|---|---|---|---|\n"
)  # fmt: skip


def by_turns(before: Measure, after: Measure, turns: int, benchmark: Benchmark) -> list[Figure]:
    """Measure both as often as there are ``turns``, each time the other one first; figures with the values of both."""
    taken: dict[Measure, list[list[Figure]]] = {before: [], after: []}
    for turn in range(turns):
        for measure in (before, after) if turn % 2 == 0 else (after, before):
            taken[measure].append(measure(benchmark))
    pairs = zip(zip(*taken[before], strict=True), zip(*taken[after], strict=True), strict=True)
    return [replace(now[0], kfrun=_values(now), before=_values(then)) for then, now in pairs]


def to_markdown(figures: Iterable[Figure], machine: dict[str, Any]) -> str:
    """The table, with the machine above it."""
    rows = [_row(figure) for figure in figures if figure.before]
    return ", ".join(f"{key}: {value}" for key, value in machine.items()) + "\n\n" + _HEAD + "\n".join(rows) + "\n"


def _values(figures: Iterable[Figure]) -> tuple[float, ...]:
    return tuple(value for figure in figures for value in figure.kfrun)


def _row(figure: Figure) -> str:
    ratio = statistics.median(figure.kfrun) / statistics.median(figure.before)
    cells = (
        figure.name,
        shown(figure.before, figure.unit),
        shown(figure.kfrun, figure.unit),
        f"{ratio:.3f}",
        f"≤ {figure.before_goal:g}",
        "met" if ratio <= figure.before_goal else "**missed**",
    )
    return f"| {' | '.join(cells)} |"
