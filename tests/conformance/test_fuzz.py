"""2,000 mutated documents go the whole way, and what once broke something; ``python -m tests.fuzz`` takes any number.

The campaign's own promises are here, too: what hangs, dies or raises is told, and does not end it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from kfrun import settings
from kfrun.model.source import Finding, Position, Stage
from tests import fuzz
from tests.fuzzing import campaign, inputs, manifests, places, way
from tests.fuzzing.campaign import Outcome
from tests.fuzzing.inputs import Input

ROOT = Path(__file__).resolve().parents[2]
FOUND = Path(__file__).parent / "found"
ANSWERS = {
    "byte-order-mark-and-a-wrong-byte.yaml": "KF103 2:5",
    "claim-that-the-pod-lacks.yaml": "KF375 16:65",
    "exit-code-operator-that-is-empty.yaml": "KF378 17:69",
    "key-without-colon-at-the-end.yaml": "KF101 2:2",
    "next-line-and-a-wrong-byte.yaml": "KF103 3:4",
    "number-of-5000-digits.yaml": "KF202 4:62",
    "processes-of-5000-digits.yaml": "KF202 4:68",
    "runtime-kind-is-a-mapping.yaml": "KF202 4:37",
    "runtime-named-by-a-list.yaml": "KF202 4:27",
    "unclosed-at-the-end.yaml": "KF101 1:5",
}
"""What once broke something, made small -> the finding that it gives now: code, line and column."""

DOCUMENTS = 2_000
SEED = 20261121


def test_mutated_documents_give_findings_and_nothing_else() -> None:
    summary = campaign.Summary()
    for result in campaign.run(campaign.Plan(SEED, range(DOCUMENTS), jobs=2)):
        summary.add(result)
    failures = [f"{SEED}/{one.index}: {one.outcome.failure}" for one in summary.failures]
    assert not failures, "\n\n".join(failures)
    assert summary.inputs == DOCUMENTS
    assert summary.reached >= {str(stage) for stage in Stage} - {"backend", "lint"}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_once_broke_something_is_a_finding(name: str, tmp_path: Path) -> None:
    data, is_template = (FOUND / name).read_bytes(), name.endswith(".j2")
    for version in manifests.VERSIONS:
        with campaign.time_limit(4 * campaign.LIMIT):
            outcome = campaign.take(Input(data, is_template, version), tmp_path, thorough=version == "v2.3")
        assert outcome.failure == ""
    (found,) = way.walk(Input(data, is_template), settings.load({}, {"KFRUN_HOME": str(tmp_path)}, tmp_path)).findings
    assert found.position is not None
    assert f"{found.code} {found.position.line}:{found.position.column}" == ANSWERS[name]


def test_nothing_that_once_broke_something_is_left_out() -> None:
    assert sorted(path.name for path in FOUND.iterdir()) == sorted(ANSWERS)


def take_badly(given: Input, folder: Path, thorough: bool) -> Outcome:
    """What kfrun must not do, by the number of the document."""
    text = given.data.decode("utf-8", "replace")
    ways = {
        _text(1): lambda: 1 / 0,
        _text(2): _spin,
        _text(3): lambda: time.sleep(60),
        _text(4): lambda: os._exit(7),
    }
    ways.get(text, bool)()
    return Outcome(stages=(("yaml", 1),), digest=text)


def _text(index: int) -> str:
    return inputs.numbered(1, index, ()).data.decode("utf-8", "replace")


def _spin() -> None:
    while True:
        with suppress(Exception):  # as kfrun does around templates
            sum(range(1000))


def test_what_hangs_dies_or_raises_is_told_and_the_rest_goes_on() -> None:
    plan = campaign.Plan(1, range(12), folders=(), jobs=2, limit=0.3, silence=2, take=take_badly)
    told = {result.index: result.outcome.failure.strip() for result in campaign.run(plan)}
    assert sorted(told) == list(range(12))
    assert told[1].endswith("ZeroDivisionError: division by zero")
    assert told[2].startswith("not done after 0.3 s")
    assert "_spin" in told[2]
    assert told[3] == "no answer for 2 s"
    assert told[4] == "the process ended with 7"
    assert not any(told[index] for index in (0, *range(5, 12)))


def test_a_document_is_the_same_whenever_it_is_made() -> None:
    seeds = inputs.read_seeds(inputs.OWN)
    assert len(seeds) > 150
    made = [inputs.numbered(3, index, seeds) for index in range(40)]
    assert made == [inputs.numbered(3, index, seeds) for index in range(40)]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("place", "excerpt", "problem"),
    [
        (Position("x", 1, 1), "a: 1", None),
        (Position("x", 2, 3), None, None),
        (Position("x", 1, 5), None, None),
        (None, None, "no position"),
        (Position("y", 1, 1), None, "no such source"),
        (Position("x", 4, 1), None, "line 4 of 3"),
        (Position("x", 0, 1), None, "line 0 of 3"),
        (Position("x", 2, 6), None, "column 6 of a line of 4"),
        (Position("x", 1, 0), None, "column 0"),
        (Position("x", 1, 1), "b: 2", "the excerpt is of another line"),
    ],
)
def test_places_outside_of_the_file_are_noticed(
    place: Position | None, excerpt: str | None, problem: str | None
) -> None:
    one = Finding("KF101", "wrong", Stage.YAML, position=place, excerpt=excerpt)
    found = list(places.wrong([one], {"x": "a: 1\r\nb: 2\n"}, is_template=False))
    assert len(found) == (problem is not None)
    assert not problem or problem in found[0]


def test_what_fails_is_kept_and_can_be_taken_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = campaign.Plan(1, range(6), folders=(), limit=0.3, silence=2, take=take_badly)
    assert fuzz.run(plan, tmp_path / "kept") == 1
    printed = capsys.readouterr().out
    assert "1/1: Traceback (most recent call last): … ZeroDivisionError: division by zero\n" in printed
    assert printed.endswith(": 4 failures\n")
    kept = {path.name: path for path in (tmp_path / "kept").iterdir()}
    assert {name.partition(".")[0] for name in kept} == {"1-1", "1-2", "1-3", "1-4"}
    assert kept["1-1.yaml"].read_bytes() == inputs.numbered(1, 1, ()).data
    assert "ZeroDivisionError" in kept["1-1.txt"].read_text(encoding="utf-8")


def test_the_command_takes_one_document_again() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--only", "1/5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("nothing is wrong\n")
