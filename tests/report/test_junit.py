from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from kfrun.model.source import Severity
from kfrun.report.junit import to_junit
from tests.report.reporting import finding, nasty, report

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "data" / "junit.xsd")
WHEN = "2026-01-31T12:00:00"


def drawn(found) -> ET.Element:
    text = to_junit(found, timestamp=WHEN)
    SCHEMA.validate(text)
    return ET.fromstring(text)


WARNING = replace(finding("b"), severity=Severity.WARNING)


@pytest.mark.parametrize(
    "found",
    [
        report(names=()),
        report(),
        report(finding(), finding()),
        report(finding(None, file="broken.yaml"), names=()),
        report(finding(None, file=None), names=()),
        report(finding(hint=None, excerpt=None, path=())),
        report(WARNING),
        nasty(),
    ],
    ids=["nothing", "sound", "refused", "unreadable", "nowhere", "bare", "warned", "nasty"],
)
def test_every_report_is_valid_by_the_schema(found):
    drawn(found)


def test_the_schema_can_refuse():
    text = to_junit(report(finding()), timestamp="yesterday")
    assert not SCHEMA.is_valid(text)


def test_an_object_is_a_test_and_its_findings_one_failure():
    suite = drawn(report(finding(), finding(code="KF203", message="missing")))[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("timestamp")) == ("2", "1", WHEN)
    bad, good = suite.findall("testcase")
    assert (bad.get("classname"), bad.get("name")) == ("job.yaml", "trainjob.trainer.kubeflow.org/a")
    (failure,) = bad
    assert (failure.tag, failure.get("type")) == ("failure", "KF201")
    assert failure.get("message") == 'KF201: unknown field "x" (and 1 more)'
    assert 'job.yaml:3:5: error KF201: unknown field "x" [spec.trainer.env[2].x]\n  help: remove it' in failure.text
    assert "KF203: missing" in failure.text
    assert list(good) == []


def test_a_warning_fails_nothing_and_is_in_the_output():
    suite = drawn(report(WARNING))[0]
    assert suite.get("failures") == "0"
    assert "warning KF201" in suite.find("system-out").text


def test_texts_stay_texts():
    suite = drawn(nasty())[0]
    assert len(suite.findall("testcase")) == 3
    assert 'a <b> & "c" ]]> 100%' in suite.findall("testcase")[0][0].text
