"""What a benchmark yields, and how it is shown: a Markdown table for people, JSON for comparisons."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MORE, HARDLY_MORE = 1.05, 1.03
"""How much more than before a figure may be."""

_HEAD = (
    "| what | goal | kfrun | directly | peer | ratio | |\n"
    "|---|---|---|---|---|---|---|\n"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity; smaller is better. Each list holds one value a run.

    Attributes:
        unit: of goal and values: ``s``, ``ms`` or ``MB``.
        goal: the largest median that meets the goal; None where there is none.
        ratio_goal: the same for kfrun's median by the peer's, ``before_goal`` for that by what it was before.
        directly: the same work without kfrun or peer, where that makes sense.
        peer_note: says what the peer's value is when it was not measured as such.
        note: shown below the table.
        before: kfrun's values before a change.
        documents: how many of them a run takes, if their rate is to be shown; the unit is ``ms`` then.
    """

    name: str
    unit: str
    kfrun: tuple[float, ...]
    goal: float | None = None
    ratio_goal: float | None = None
    directly: tuple[float, ...] = ()
    peer: tuple[float, ...] = ()
    peer_note: str = ""
    note: str = ""
    before: tuple[float, ...] = ()
    before_goal: float = MORE
    documents: int = 0

    @property
    def ratio(self) -> float | None:
        """kfrun's median by the peer's."""
        return statistics.median(self.kfrun) / statistics.median(self.peer) if self.peer else None

    @property
    def is_met(self) -> bool | None:
        """Whether the goals are met; None where there are none."""
        if self.goal is None and self.ratio_goal is None:
            return None
        is_fast = self.goal is None or statistics.median(self.kfrun) <= self.goal
        return is_fast and (self.ratio_goal is None or self.ratio is None or self.ratio <= self.ratio_goal)


def to_markdown(figures: Sequence[Figure], machine: dict[str, Any]) -> str:
    """The table, with the machine above and the notes below it."""
    notes = list(dict.fromkeys(figure.note for figure in figures if figure.note))
    rows = [_row(figure, notes) for figure in figures]
    below = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    above = ", ".join(f"{key}: {value}" for key, value in machine.items()) + "\n\n" if machine else ""
    return above + _HEAD + "\n".join(rows) + "\n" + ("\n" + "\n".join(below) + "\n" if below else "")


def put_into(page: str, table: str) -> str:
    """The page with its table replaced by ``table``."""
    begin, end = page.index("\n", page.index("<!-- figures")) + 1, page.index("<!-- end of figures")
    return f"{page[:begin]}\n{table}\n{page[end:]}"


def write(path: Path, found: Mapping[str, Sequence[Figure]], machine: dict[str, Any]) -> None:
    """Keep the figures of each benchmark, every single run included."""
    shown = {name: [{**asdict(one), "ratio": one.ratio, "met": one.is_met} for one in found[name]] for name in found}
    path.write_text(json.dumps({"machine": machine, "benchmarks": shown}, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, list[Figure]]:
    """What `write` wrote, so that benchmarks can be measured one at a time; nothing where there is no such file."""
    if not path.exists():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    return {name: [_figure(one) for one in stored[name]] for name in stored}


def _figure(data: dict[str, Any]) -> Figure:
    values = {item.name: data[item.name] for item in fields(Figure) if item.name in data}
    return Figure(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _row(figure: Figure, notes: list[str]) -> str:
    mark = f" ({notes.index(figure.note) + 1})" if figure.note else ""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2g}"
    verdict = {None: "", True: "met", False: "**missed**"}[figure.is_met]
    cells = (
        figure.name + _rate(figure) + mark,
        _goal(figure),
        shown(figure.kfrun, figure.unit),
        shown(figure.directly, figure.unit),
        shown(figure.peer, figure.unit) + (f" {figure.peer_note}" if figure.peer_note and figure.peer else ""),
        ratio,
        verdict,
    )
    return f"| {' | '.join(cells)} |"


def _goal(figure: Figure) -> str:
    goals = [] if figure.goal is None else [f"≤ {_number(figure.goal, figure.unit)} {figure.unit}"]
    if figure.ratio_goal is not None:
        goals.append(f"ratio ≤ {figure.ratio_goal:g}")
    return ", ".join(goals)


def _rate(figure: Figure) -> str:
    if not figure.documents:
        return ""
    values = [item for item in (figure.kfrun, figure.peer) if item]
    ours, *peer = (f"{figure.documents * 1000 / statistics.median(item):,.0f}" for item in values)
    return f": {ours} documents/s" + "".join(f", peer {rate}" for rate in peer)


def shown(values: Sequence[float], unit: str) -> str:
    """The median, with the smallest and the largest of several."""
    if not values:
        return ""
    middle = f"{_number(statistics.median(values), unit)} {unit}"
    if len(values) == 1:
        return middle
    return f"{middle} ({_number(min(values), unit)}-{_number(max(values), unit)})"


def _number(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value:.0f}" if value >= 100 else f"{value:.2f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
