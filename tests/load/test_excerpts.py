from __future__ import annotations

import pytest

from kfrun.load.excerpts import LONGEST, excerpt
from kfrun.load.kubeyaml import parse
from kfrun.load.lines import line_at, place
from kfrun.model.source import Position


def at(line: int, column: int) -> Position:
    return Position("f.yaml", line, column)


def test_the_line_of_a_document_comes_without_its_break() -> None:
    (document,), _ = parse("a: 1\r\nb: 2\r\n", "f.yaml")
    assert excerpt(document, document.positions.value(("b",))) == "b: 2"


@pytest.mark.parametrize("line", [0, 4, 99])
def test_a_line_that_is_not_there_is_empty(line: int) -> None:
    assert excerpt("a\nb\n", at(line, 1)) == ""


def test_tabs_and_terminal_controls_keep_their_column() -> None:
    assert excerpt("a:\t\x1b[31m\u202ex", at(1, 3)) == "a: \ufffd[31m\ufffdx"


def test_a_long_line_is_cut_at_its_end_when_the_column_is_near_its_start() -> None:
    line = "a: " + "x" * 1000
    shown = excerpt(line, at(1, 4))
    assert len(shown) == LONGEST
    assert line.startswith(shown[:-1])


def test_a_long_line_is_cut_around_a_far_column_and_stays_shorter_than_it() -> None:
    line = "x" * 500 + "HERE" + "x" * 500
    shown = excerpt(line, at(1, 501))
    assert "HERE" in shown
    assert len(shown) < 501


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a\n", ["a", ""]),
        ("a\r\nb\rc\x85d\u2028e\u2029f\n\ng", ["a", "b", "c", "d", "e", "f", "", "g"]),
    ],
)
def test_lines_end_where_yaml_ends_them(text: str, lines: list[str]) -> None:
    assert [line_at(text, number) for number in range(1, len(lines) + 1)] == lines
    assert line_at(text, len(lines) + 1) == ""
    assert place(text, len(text)) == (len(lines), len(lines[-1]) + 1)
