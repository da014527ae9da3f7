"""What the API server says of Jobs, against kfrun's answers: verdict, and the set of fields and reasons.

cases.yaml holds a valid Job, and per case what is put into it (path -> value; null removes, and an index behind the end
of a list appends) and the real answer. Another file of the same form: ``pytest tests/jobs --jobs FILE``. variants.yaml
has more of the same kinds, a line a case.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kfrun.validate.admission import jobs, reasons

if TYPE_CHECKING:
    import pytest

OWN = Path(__file__).parent / "cases.yaml"
VARIANTS = Path(__file__).parent / "variants.yaml"
Node = dict[str, Any]


def load(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def read(path: Path) -> tuple[Node, list[Node]]:
    loaded = load(path)
    return loaded["base"], loaded["cases"]


def variants() -> list[Node]:
    """The cases of variants.yaml in the long form."""
    return [
        {
            "case": f"v{number:03d}",
            "put": {_whole(path): value for path, value in line["put"].items()},
            "accepted": "refused" not in line,
            "causes": [
                {"field": _whole(field), "reason": f"FieldValue{reason}"}
                for field, said in line.get("refused", {}).items()
                for reason in said.split()
            ],
        }
        for number, line in enumerate(load(VARIANTS))
    ]


def _whole(path: str) -> str:
    return f"spec.template.spec{path.removeprefix('pod')}" if path.startswith("pod.") else path


def changed(base: Node, put: Node) -> Node:
    """A copy of ``base`` with every value of ``put`` in its place."""
    job = copy.deepcopy(base)
    for path, value in put.items():
        parts = [int(part) if part.isdigit() else part for part in path.split(".")]
        holder: Any = job
        for part in parts[:-1]:
            holder = holder.setdefault(part, {}) if isinstance(holder, dict) else holder[part]
        if value is None:
            holder.pop(parts[-1], None)
        elif isinstance(holder, list) and parts[-1] == len(holder):
            holder.append(value)
        else:
            holder[parts[-1]] = value
    return job


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        given = metafunc.config.getoption("--jobs")
        base, cases = read(Path(given) if given else OWN)
        cases += [] if given else variants()
        metafunc.parametrize("case", [{**case, "base": base} for case in cases], ids=[one["case"] for one in cases])


def test_answers_as_the_api_server_does(case: Node) -> None:
    found = {(cause.field, cause.reason) for cause in jobs.check(changed(case["base"], case["put"]))}
    expected = {(cause["field"], cause["reason"]) for cause in case.get("causes", [])}
    assert found == expected, case["put"]
    assert bool(found) is not case["accepted"]


def test_every_cause_can_be_mended(case: Node) -> None:
    for rule, cause in jobs.found(changed(case["base"], case["put"])):
        hint = cause.hint or reasons.mend(rule.code)
        assert hint
        assert hint not in cause.message
        assert not hint.endswith(".")


def test_the_base_is_accepted_and_every_case_is_there() -> None:
    base, cases = read(OWN)
    assert jobs.check(base) == []
    assert len({case["case"] for case in cases}) == 252
    assert len(variants()) == 672


def test_every_cause_says_what_is_wrong() -> None:
    base, cases = read(OWN)
    messages = [cause.message for case in cases for cause in jobs.check(changed(base, case["put"]))]
    assert len(messages) > 150
    assert all(len(message) > 8 for message in messages)
