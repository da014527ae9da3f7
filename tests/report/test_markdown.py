from __future__ import annotations

from kfrun.report.github import MOST, to_markdown
from tests.report.reporting import finding, nasty, report


def rows(found) -> list[str]:
    return [line for line in to_markdown(found).splitlines() if line.startswith("| ")][1:]


def test_nothing_found_is_a_heading():
    assert to_markdown(report()) == "### kfrun validate: 2 objects, nothing refused\n"


def test_a_finding_is_a_row_with_its_place_its_object_and_its_hint():
    (row,) = rows(report(finding())._replace(titles={"KF201": "an unknown field"}))
    assert row.startswith("| error | job.yaml:3:5 | trainjob.trainer.kubeflow.org/")
    assert row.endswith('| **KF201** an unknown field<br>unknown field "x"<br>help: remove it |')


def test_nothing_of_a_manifest_is_markup():
    marked = finding(code="KF201", hint="![x](https://example.com) <b> a|b `c` $x$ **d**", path=("*a*",))
    (row,) = rows(report(marked))
    assert r"\!\[x\](https://example.com) \<b\> a\|b \`c\` &#36;x&#36; \*\*d\*\*" in row
    assert r"\*a\*" in row


def test_a_table_has_one_line_a_finding_whatever_stands_in_it():
    found = nasty()
    assert len(rows(found)) == len(found.findings)


def test_more_findings_than_anybody_reads_are_counted():
    found = report(*[finding()] * (MOST + 5))
    assert len(rows(found)) == MOST
    assert to_markdown(found).endswith("\n… and 5 more\n")
