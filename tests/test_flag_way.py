"""The way of a flag from the door to the plan is short, and `flag_way` counts it as it says."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from tests import flag_way

if TYPE_CHECKING:
    from pathlib import Path

MOST_STAYS, MOST_ROOMS = 8, 6

SAMPLE = {
    "cli/apply.py": """
        import click

        from kfrun.flow import steps, wishes
        from kfrun.settings import load

        @options.verb("apply")
        def command(name: str, quiet: bool, where: str, level: int) -> None:
            asked = wishes.Wishes(name, level=level, where=load(where=where))
            if quiet:
                asked = asked._replace(quiet=quiet)
            steps.Flow(asked).go()
            print(where)

        @options.verb("run")
        def run(name: str) -> None:
            steps.show(wishes.Wishes(name, 1, ""))

        @options.verb("plan")
        def plan() -> None:
            pass
    """,
    "flow/wishes.py": """
        from typing import NamedTuple

        class Wishes(NamedTuple):
            name: str
            level: int
            where: str
            quiet: bool = False
    """,
    "flow/steps.py": """
        from kfrun.cli import back
        from kfrun.flow.wishes import Wishes
        from kfrun.plan import planner as stage

        class Flow:
            def __init__(self, asked: Wishes) -> None:
                self._asked = asked

            def go(self) -> None:
                chosen = stage.Choice(self._asked, back.known(self._asked.level or 1))
                stage.plan(chosen)
                show(self._asked)

        def show(asked: Wishes) -> None:
            print(asked.name)
    """,
    "cli/back.py": """
        class Known:
            number: int

        def known(number: int) -> Known:
            return Known(number)
    """,
    "plan/planner.py": """
        from __future__ import annotations
        from typing import TYPE_CHECKING, NamedTuple

        if TYPE_CHECKING:
            from kfrun.cli.back import Known
            from kfrun.flow import wishes

        class Plan: ...

        class Choice(NamedTuple):
            asked: wishes.Wishes
            known: Known | None

        def plan(choice: Choice) -> Plan:
            return _made(choice.asked.name)

        def _made(name: str) -> Plan: ...
    """,
    "settings.py": "def load(**flags): ...",
}
LAYERS = (
    '[[tool.importlinter.contracts]]\ntype = "layers"\nlayers = ["kfrun.cli", "kfrun.flow | kfrun.page", "kfrun.plan"]'
)


@pytest.fixture(scope="module")
def found() -> dict[str, flag_way.Way]:
    return {way.flag: way for way in flag_way.ways()}


def test_a_flag_has_a_short_way_to_the_plan(found: dict[str, flag_way.Way]) -> None:
    longest = flag_way.longest(list(found.values()))
    assert longest.stays <= MOST_STAYS, longest.places
    assert longest.rooms <= MOST_ROOMS, longest.places


def test_what_shapes_the_plan_can_be_followed(found: dict[str, flag_way.Way]) -> None:
    for door in ("apply", "run", "plan"):
        places = found[f"{door}.wishes"].places
        for flag in ("replace", "rerun", "prune", "backend"):
            assert f"kfrun.plan.planner:plan:Wishes.{flag}" in places, (door, flag)


@pytest.fixture
def sample(tmp_path: Path) -> dict[str, flag_way.Way]:
    (tmp_path / "pyproject.toml").write_text(LAYERS)
    for name, text in SAMPLE.items():
        path = tmp_path / "kfrun" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return {way.flag: way for way in flag_way.ways(tmp_path)}


def test_a_flag_is_followed_through_records_and_objects_into_the_plan(sample: dict[str, flag_way.Way]) -> None:
    way = sample["apply.name"]
    assert way.places == (
        "kfrun.cli.apply:command:name",
        "kfrun.flow.wishes:Wishes:Wishes.name",
        "kfrun.cli.apply:command:Wishes.name",
        "kfrun.flow.steps:Flow.__init__:Wishes.name",
        "kfrun.flow.steps:Flow:Wishes.name",
        "kfrun.flow.steps:Flow.go:Wishes.name",
        "kfrun.plan.planner:Choice:Wishes.name",
        "kfrun.plan.planner:plan:Wishes.name",
    )
    # It is shown, too; what the planner does with it does not count.
    assert (way.stays, way.rooms, way.climbs, way.others) == (7, 4, 0, 1)


def test_changed_records_and_returned_ones_lead_on(sample: dict[str, flag_way.Way]) -> None:
    assert sample["apply.quiet"].stays == 7
    way = sample["apply.level"]
    assert "kfrun.cli.back:known:number" in way.places
    assert way.places[-1] == "kfrun.plan.planner:plan:Known.number"
    assert way.climbs == 1


def test_what_is_computed_of_a_flag_or_only_looked_at_is_not_on_the_way(sample: dict[str, flag_way.Way]) -> None:
    assert sample["apply.where"] == flag_way.Way("apply.where", 0, 0, 0, 1, ())
    assert sample["run.name"] == flag_way.Way("run.name", 0, 0, 0, 3, ())
