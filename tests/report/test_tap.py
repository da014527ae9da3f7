from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from kfrun.model.source import Severity
from kfrun.report.tap import to_tap
from tests.report.reporting import finding, nasty, report


def parsed(text: str) -> list[tuple[bool, str, dict]]:
    """The tests of a TAP stream: whether each passed, what it is called, and its YAML block."""
    lines = text.split("\n")
    assert lines[0] == "TAP version 14"
    plan = re.fullmatch(r"1\.\.(\d+)", lines[1])
    assert lines.pop() == ""
    tests = []
    block = None
    for line in lines[2:]:
        point = re.fullmatch(r"(not )?ok (\d+) - ((?:[^#\\]|\\[#\\])*)", line)
        if point:
            assert block is None
            tests.append((not point[1], re.sub(r"\\([#\\])", r"\1", point[3]), []))
            assert int(point[2]) == len(tests)
        elif line == "  ---":
            block = []
        elif line == "  ...":
            tests[-1][2].extend(yaml.safe_load("\n".join(block))["findings"])
            block = None
        else:
            block.append(line)
    assert block is None
    assert int(plan[1]) == len(tests)
    return tests


def test_nothing_is_an_empty_plan():
    assert to_tap(report(names=())) == "TAP version 14\n1..0\n"


def test_an_object_is_a_test_and_its_findings_are_below():
    bad, good = parsed(to_tap(report(finding(), finding(code="KF203", hint=None, path=()))))
    assert bad[:2] == (False, "job.yaml: trainjob.trainer.kubeflow.org/a")
    assert bad[2][0] == {
        "code": "KF201",
        "severity": "error",
        "message": 'unknown field "x"',
        "field": "spec.trainer.env[2].x",
        "file": "job.yaml",
        "line": 3,
        "column": 5,
        "hint": "remove it",
    }
    assert set(bad[2][1]) == {"code", "severity", "message", "file", "line", "column"}
    assert good == (True, "job.yaml: trainjob.trainer.kubeflow.org/b", [])


def test_a_warning_is_below_a_test_that_passed():
    (passed, _, found), _ = parsed(to_tap(report(replace(finding(), severity=Severity.WARNING))))
    assert (passed, found[0]["severity"]) == (True, "warning")


@pytest.mark.parametrize("file", ["broken.yaml", "a # b\\c.yaml"])
def test_a_file_that_could_not_be_read_is_a_test(file):
    ((passed, name, _),) = parsed(to_tap(report(finding(None, file=file), names=())))
    assert (passed, name) == (False, file)


def test_texts_stay_texts():
    assert [passed for passed, _, _ in parsed(to_tap(nasty()))] == [False, True, False]
