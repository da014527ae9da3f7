from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfrun.load import excerpts
from kfrun.model.source import Finding, ObjectKey, Position, Related, Severity, Stage
from kfrun.report import findings as reports

KEY = ObjectKey("trainer.kubeflow.org/v1alpha1", "TrainJob", "", "mnist")


def finding(excerpt: str | None, column: int, *, line: int = 12, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(
        code="KF201",
        message="unknown field",
        stage=Stage.SCHEMA,
        severity=severity,
        path=("spec", "trainer", "x"),
        position=Position("job.yaml", line, column),
        hint="remove it",
        object=KEY,
        excerpt=excerpt,
    )


def drawn(excerpt: str, column: int) -> tuple[str, str]:
    """The excerpt's line and the caret's line, without the gutter."""
    lines = reports.to_text([finding(excerpt, column)]).splitlines()
    return lines[3].removeprefix("12 | "), lines[4].removeprefix("   | ")


def columns(text: str) -> int:
    return sum(
        0 if unicodedata.category(one) in {"Mn", "Me"} else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def marked(excerpt: str, column: int) -> str:
    """The part of the drawn line above the carets."""
    line, carets = drawn(excerpt, column)
    first, last = len(carets) - len(carets.lstrip()), len(carets)
    return "".join(one for index, one in enumerate(line) if first <= columns(line[:index]) < last)


def test_one_finding() -> None:
    assert reports.to_text([finding("    imagee: x", 5)]) == (
        "job.yaml:12:5: error KF201: unknown field\n"
        "  --> trainjob.trainer.kubeflow.org/mnist, spec.trainer.x\n"
        "   |\n"
        "12 |     imagee: x\n"
        "   |     ^^^^^^\n"
        "   = help: remove it\n"
        "\n"
        "1 error\n"
    )


@pytest.mark.parametrize(("stage", "owner"), [(Stage.JOBSET, "its JobSet"), (Stage.JOB, "its Job")])
def test_a_field_of_what_is_made_is_told_as_such(stage: Stage, owner: str) -> None:
    found = replace(finding("a", 1), stage=stage)
    assert f"trainjob.trainer.kubeflow.org/mnist, spec.trainer.x of {owner}\n" in reports.to_text([found])
    assert reports.to_json([found])["findings"][0]["field"] == "spec.trainer.x"


def test_several_findings_are_counted() -> None:
    text = reports.to_text([finding("a", 1), finding("a", 1), finding("a", 1, severity=Severity.WARNING)])
    assert text.endswith("\n\n2 errors, 1 warning\n")
    assert "warning KF201" in text
    assert text.count("\n\n") == 3


def test_no_finding_is_no_text() -> None:
    assert reports.to_text([]) == ""


def test_a_finding_without_a_source() -> None:
    bare = Finding(code="KF320", message="field is immutable", stage=Stage.RULE)
    assert reports.to_text([bare]) == "error KF320: field is immutable\n\n1 error\n"


@pytest.mark.parametrize(
    ("excerpt", "column", "word"),
    [
        ("  key: value", 3, "key"),
        ("  key: value", 8, "value"),
        ("  key: 'a b: c' # d", 8, "'a b: c'"),
        ('  key: "a \\" b"', 8, '"a \\" b"'),
        ("  [a, bc]", 7, "bc"),
        ("  [a, bc]", 3, "["),
        ("  uri: hf://a/b  # c", 8, "hf://a/b"),
        ("  kfrun.dev/backend: x", 3, "kfrun.dev/backend"),
        ("key:", 5, ""),
        ("key: # nothing", 6, "#"),
        ("\tkey: x", 2, "key"),
        ("a:\tb", 4, "b"),
        ("名前: 値段 x", 5, "値段"),
        ("e\u0301te\u0301: x", 8, "x"),
        ("", 1, ""),
    ],
)
def test_carets_mark_the_word_at_the_position(excerpt: str, column: int, word: str) -> None:
    if excerpt:
        assert marked(excerpt, column).rstrip() == word
    else:
        assert "|" not in reports.to_text([finding(excerpt, column)])


def test_tabs_become_spaces() -> None:
    assert drawn("\ta:\tb", 2) == ("    a:    b", "    ^")


def test_long_lines_are_cut_around_the_position() -> None:
    long = "x " * 100 + "here: 1 " + "y " * 100
    line, carets = drawn(long, 201)
    assert line.startswith("…")
    assert line.endswith("…")
    assert len(line) <= reports.WIDTH
    assert marked(long, 201) == "here"
    assert len(carets) < reports.WIDTH


def test_a_long_word_is_cut() -> None:
    line, carets = drawn("x" * 5000, 1)
    assert len(line) <= reports.WIDTH
    assert len(carets) <= len(line)


@pytest.mark.parametrize("before", [5, 120, 155, 170, 400, 5000])
@pytest.mark.parametrize("after", [0, 50, 5000])
def test_excerpts_that_load_cut_keep_their_position(before: int, after: int) -> None:
    text = "# " + "a" * before + " here: 1" + " z" * after
    place = Position("job.yaml", 1, before + 4)
    assert marked(excerpts.excerpt(text, place), place.column) == "here"


def test_control_characters_never_reach_the_terminal() -> None:
    evil = finding("a: \x1b[31mred\x07\u202etxt", 4)
    text = reports.to_text([evil, Finding(code="KF1", message="\x1b]0;x\x07\n", stage=Stage.YAML, hint="\x9b1m")])
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\N{REPLACEMENT CHARACTER}[31mred" in text


def test_colour_changes_nothing_but_styles() -> None:
    found = [finding("    imagee: x", 5), finding("a", 1, severity=Severity.WARNING)]
    plain, coloured = reports.to_text(found), reports.to_text(found, color=True)
    assert "\x1b[1;31merror KF201\x1b[0m" in coloured
    assert "\x1b[1;33mwarning KF201\x1b[0m" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain


def test_json() -> None:
    found = [finding("x: 1", 1), Finding(code="KF320", message="m", stage=Stage.RULE, severity=Severity.WARNING)]
    data = reports.to_json(found)
    assert json.loads(json.dumps(data)) == data
    assert (data["formatVersion"], data["errors"], data["warnings"]) == (1, 1, 1)
    first, second = data["findings"]
    assert first == {
        "code": "KF201",
        "severity": "error",
        "stage": "schema",
        "message": "unknown field",
        "hint": "remove it",
        "field": "spec.trainer.x",
        "path": ["spec", "trainer", "x"],
        "file": "job.yaml",
        "line": 12,
        "column": 1,
        "position": {"file": "job.yaml", "line": 12, "column": 1},
        "object": {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "namespace": "",
            "name": "mnist",
        },
        "excerpt": "x: 1",
    }
    assert first.keys() == second.keys()
    assert (second["position"], second["object"], second["hint"]) == (None, None, None)
    assert reports.to_json([])["findings"] == []


@given(st.text(max_size=300), st.integers(-5, 400))
def test_any_line_and_column_can_be_drawn(line: str, column: int) -> None:
    text = reports.to_text([finding(line, column)])
    assert text.endswith("\n1 error\n")
    assert all(columns(one) <= reports.WIDTH + 5 for one in text.splitlines() if one.startswith("12 |"))


def test_a_message_of_any_length_is_cut_for_people_and_whole_for_programs() -> None:
    one = Finding("KF202", "x" * 9000, Stage.SCHEMA, path=("y" * 9000,), hint="z" * 9000)
    text = reports.to_text([one])
    assert len(text) < 3 * 2100
    assert text.count("…") == 3
    assert reports.to_json([one])["findings"][0]["message"] == "x" * 9000


def test_related_places_are_below_the_help_and_data_of_their_own() -> None:
    places = (Related("a runtime", Position("r.yaml", 4, 2)), Related("a stored one", Position("store", 0, 0)))
    one = replace(finding("x: 1", 1), related=places)
    assert reports.to_text([one]).endswith(
        "   = help: remove it\n   = see: a runtime, r.yaml:4:2\n   = see: a stored one\n\n1 error\n"
    )
    assert reports.to_json([one])["findings"][0]["related"] == [
        {"message": "a runtime", "file": "r.yaml", "line": 4, "column": 2},
        {"message": "a stored one", "file": None, "line": None, "column": None},
    ]
