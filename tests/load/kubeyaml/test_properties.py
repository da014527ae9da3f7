from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kfrun.load.kubeyaml import events, parse, pureyaml
from kfrun.load.lines import line_at

if TYPE_CHECKING:
    from kfrun.model.source import FieldPath, Finding, Position, Positions

WORDS = "a: b: - ? : , [ ] { } # & * ! | > ' \" % @ ` --- ... << &a *a !!int !!str ~ yes 0x1 1e3 .inf \\ {} [] a?b \\/"
CHARACTERS = " \t\r\n\0\x07\x85\u2028\ufeffé😀\ud800"
PIECES = [*WORDS.split(" "), *CHARACTERS, "  ", "\n", "\n  ", "\r\n", "\\u00e9"]

texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
)
bounded = settings(max_examples=200, deadline=None)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(-(2.0**53), 2.0**53),
    st.text(max_size=20),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=12), values, max_size=5).filter(lambda data: "items" not in data)


def paths(data: Any, path: FieldPath = ()) -> list[tuple[FieldPath, Any]]:
    """Every path of the data with its value."""
    found: list[tuple[FieldPath, Any]] = [(path, data)]
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        found += paths(value, (*path, key))
    return found


def is_inside(position: Position, text: str) -> bool:
    line = line_at(text, position.line)
    count = len(line) + 1
    return position.line >= 1 and 1 <= position.column <= count and (line != "" or position.column == 1)


def check_places(text: str, positions: Positions, data: Any) -> None:
    for path, _ in paths(data):
        assert is_inside(positions.value(path), text)
        assert is_inside(positions.key(path), text)


def check_finding(finding: Finding, text: str) -> None:
    assert finding.position is not None
    assert is_inside(finding.position, text), finding
    assert finding.excerpt is not None


@bounded
@given(texts)
def test_no_text_raises_and_all_places_are_inside_it(text: str) -> None:
    documents, findings = parse(text, "f.yaml")
    for document in documents:
        check_places(document.text, document.positions, document.data)
    for finding in findings:
        check_finding(finding, text.removeprefix("\ufeff"))


@settings(max_examples=100, deadline=None)
@given(texts)
def test_no_text_raises_without_libyaml(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "PARSER", pureyaml.PureParser)
        documents, findings = parse(text, "f.yaml")
        for document in documents:
            check_places(document.text, document.positions, document.data)
    for finding in findings:
        check_finding(finding, text.removeprefix("\ufeff"))


@bounded
@given(objects, st.sampled_from([None, 1, "\t"]))
def test_json_reads_as_itself(data: dict[str, Any], indent: int | str | None) -> None:
    text = json.dumps(data, indent=indent)
    (document,), findings = parse(text, "f.json")
    assert findings == []
    assert document.data == data


@bounded
@given(objects, st.sampled_from([None, 2]))
@example({"\\U0001f600": "😀", "😀😀": [1, "\\😀", {"b": 2}]}, None)
def test_every_place_of_json_holds_the_value_found_there(data: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(data, indent=indent)
    (document,), _ = parse(text, "f.json")
    decode = json.JSONDecoder().raw_decode
    lines = text.split("\n")
    for path, value in paths(data):
        _, line, column = document.positions.value(path)
        rest = lines[line - 1][column - 1 :] + "\n" + "\n".join(lines[line:])
        assert decode(rest)[0] == value
        if path and isinstance(path[-1], str):
            _, line, column = document.positions.key(path)
            assert decode(lines[line - 1][column - 1 :])[0] == path[-1]
