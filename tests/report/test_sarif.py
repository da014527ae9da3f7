from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from kfrun.model.source import Severity
from kfrun.report.sarif import to_sarif
from tests.report.reporting import finding, nasty, report

SCHEMA = json.loads((Path(__file__).parent / "data" / "sarif-schema-2.1.0.json").read_text())
"""The schema of OASIS (errata 01), without its descriptions."""
CHECKER = jsonschema.FormatChecker()
VALIDATOR = jsonschema.validators.validator_for(SCHEMA)(SCHEMA, format_checker=CHECKER)


def results(found) -> list[dict]:
    log = json.loads(json.dumps(to_sarif(found)))
    VALIDATOR.validate(log)
    (run,) = log["runs"]
    for one in run["results"]:
        assert run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"]
    return run["results"]


@pytest.mark.parametrize(
    "found",
    [
        report(names=()),
        report(),
        report(finding(), finding(code="KF203")),
        report(finding(None, file="broken.yaml"), names=()),
        report(finding(None, file=None), names=()),
        report(finding(hint=None, excerpt=None, path=())),
        report(finding())._replace(titles={"KF201": "an unknown field"}),
        nasty(),
    ],
    ids=["nothing", "sound", "refused", "unreadable", "nowhere", "bare", "titled", "nasty"],
)
def test_every_report_is_valid_by_the_schema_of_oasis(found):
    assert len(results(found)) == len(found.findings)


def test_the_schema_can_refuse():
    log = to_sarif(report(finding()))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not VALIDATOR.is_valid(log)


def test_a_finding_is_a_result():
    (one,) = results(report(replace(finding(), severity=Severity.WARNING)))
    assert (one["ruleId"], one["level"], one["message"]["text"]) == (
        "KF201",
        "warning",
        'unknown field "x"\nremove it',
    )
    (location,) = one["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "job.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 3, "startColumn": 5, "snippet": {"text": "    x: 1"}},
    }
    assert location["logicalLocations"][0]["fullyQualifiedName"] == (
        "trainjob.trainer.kubeflow.org/a/spec.trainer.env[2].x"
    )
    assert one["properties"] == {"stage": "schema", "field": "spec.trainer.env[2].x", "hint": "remove it"}


def test_rules_have_titles_where_they_are_known():
    log = to_sarif(
        report(finding(), finding(code="KF999"))._replace(
            titles={"KF201": "an unknown field"}, helps={"KF201": "It is refused."}
        )
    )
    assert log["runs"][0]["tool"]["driver"]["rules"] == [
        {"id": "KF201", "shortDescription": {"text": "an unknown field"}, "help": {"text": "It is refused."}},
        {"id": "KF999"},
    ]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("./a b/ü#?.yaml", "a%20b/%C3%BC%23%3F.yaml"),
        ("/abs/job.yaml", "file:///abs/job.yaml"),
        ("https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("<stdin>", "stdin"),
        ("100%.yaml", "100%25.yaml"),
    ],
)
def test_files_are_uris(file, uri):
    (one,) = results(report(finding(file=file)))
    assert one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_a_fingerprint_outlives_a_move_and_tells_equal_findings_apart():
    first, second = (results(report(finding(line=line)))[0] for line in (3, 30))
    assert first["partialFingerprints"] == second["partialFingerprints"]
    twins = results(report(finding(), finding(), finding(code="KF203")))
    assert len({one["partialFingerprints"]["kfrun/v1"] for one in twins}) == 3
