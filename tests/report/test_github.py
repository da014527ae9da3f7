from __future__ import annotations

import re
from dataclasses import replace

import pytest

from kfrun.model.source import ObjectKey, Severity
from kfrun.report.github import to_github
from tests.report.reporting import API, finding, nasty, report

UNESCAPES = {"%25": "%", "%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ","}


def unescaped(text: str) -> str:
    return re.sub(r"%(25|0D|0A|3A|2C)", lambda match: UNESCAPES[match[0]], text)


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Workflow commands as the runner reads them: one a line, properties between blank and ``::``."""
    found = []
    for line in text.split("\n")[:-1]:
        command = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
        assert command, line
        pairs = (pair.split("=", 1) for pair in command[2].split(","))
        found.append((command[1], {name: unescaped(value) for name, value in pairs}, unescaped(command[3])))
    return found


def test_nothing_found_writes_nothing():
    assert to_github(report()) == ""


def test_a_finding_is_an_annotation():
    ((level, properties, message),) = commands(to_github(report(finding())._replace(titles={"KF201": "unknown"})))
    assert level == "error"
    assert properties == {"file": "job.yaml", "line": "3", "col": "5", "title": "KF201: unknown"}
    assert message == ('unknown field "x"\ntrainjob.trainer.kubeflow.org/a, spec.trainer.env[2].x\nhelp: remove it')


def test_breaks_are_escaped():
    assert "%0Ahelp: remove it\n" in to_github(report(finding()))


def test_a_warning_is_a_warning():
    assert commands(to_github(report(replace(finding(), severity=Severity.WARNING))))[0][0] == "warning"


def test_a_finding_without_a_place_has_only_a_title():
    ((_, properties, message),) = commands(to_github(report(finding(file=None, path=(), hint=None, object=None))))
    assert (properties, message) == ({"title": "KF201"}, 'unknown field "x"')


@pytest.mark.parametrize("file", ["a,b:c.yaml", "100%0A.yaml", "ü.yaml"])
def test_names_of_files_survive(file):
    assert commands(to_github(report(finding(file=file))))[0][1]["file"] == file


def test_a_text_cannot_start_a_command_of_its_own():
    text = to_github(nasty())
    assert [level for level, _, _ in commands(text)] == ["error", "error"]
    assert "\x1b" not in text
    assert commands(to_github(report(finding(object=ObjectKey(API, "X", "", "\r\n::error::x")))))
