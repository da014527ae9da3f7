from __future__ import annotations

from dataclasses import replace

from kfrun.model.source import Severity
from kfrun.report.checks import ANYTHING, Report, cases
from tests.report.reporting import documents, finding, report


def test_every_object_is_a_case_in_its_order():
    found = cases(report(finding("b"), names=("a", "b", "c")))
    assert [(one.label, len(one.failing)) for one in found] == [
        ("job.yaml: trainjob.trainer.kubeflow.org/a", 0),
        ("job.yaml: trainjob.trainer.kubeflow.org/b", 1),
        ("job.yaml: trainjob.trainer.kubeflow.org/c", 0),
    ]


def test_a_file_that_could_not_be_read_is_a_case():
    found = cases(report(finding(None, file="broken.yaml"), names=()))
    assert [(one.label, one.key, len(one.failing)) for one in found] == [("broken.yaml", None, 1)]


def test_a_finding_without_any_place_is_in_a_case():
    assert [len(one.failing) for one in cases(report(finding(None, file=None), names=()))] == [1]


def test_a_finding_in_another_file_belongs_to_its_object():
    assert [len(one.failing) for one in cases(report(finding("a", file="runtime.yaml")))] == [1, 0]


def test_one_object_in_two_files_is_two_cases():
    both = [*documents("a", source="one.yaml"), *documents("a", source="two.yaml")]
    found = cases(Report("validate", both, [finding("a", file="two.yaml")]))
    assert [(one.source, len(one.failing)) for one in found] == [("one.yaml", 0), ("two.yaml", 1)]


def test_what_fails_is_the_callers_choice():
    warning = replace(finding(), severity=Severity.WARNING)
    lenient, strict = report(warning), report(warning, failing=ANYTHING)
    assert (lenient.refused, strict.refused) == (False, True)
    assert [(len(one.failing), len(one.other)) for one in (cases(lenient)[0], cases(strict)[0])] == [(0, 1), (1, 0)]
