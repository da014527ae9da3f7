from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from yaml.error import MarkedYAMLError

from kfrun.load.kubeyaml import documents as documents_module
from kfrun.load.kubeyaml import events, parse, pureyaml
from kfrun.load.kubeyaml.builder import MAX_DEPTH
from kfrun.load.kubeyaml.problems import CODES
from kfrun.model.source import Finding, Severity, Stage


class Mute:
    """The parser in use, which says no word when it stops: those of a library are not ours to build on."""

    def __init__(self, text: str) -> None:
        self._source = LIBYAML(text)

    def get_event(self) -> Any:
        try:
            return self._source.get_event()
        except MarkedYAMLError as error:
            error.context = error.problem = None
            raise


LIBYAML: Any = events.PARSER


@pytest.fixture(params=["libyaml", "mute", "pure"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    parsers = {"libyaml": events.PARSER, "mute": Mute, "pure": pureyaml.PureParser}
    monkeypatch.setattr(events, "PARSER", parsers[request.param])


def data(text: str) -> list[dict[str, Any]]:
    documents, findings = parse(text, "f.yaml")
    assert findings == []
    return [document.data for document in documents]


def refused(text: str) -> Finding:
    """The only finding about a text."""
    documents, findings = parse(text, "f.yaml")
    assert len(findings) == 1, findings
    (finding,) = findings
    assert documents == []
    assert finding.code in CODES
    assert finding.stage is Stage.YAML
    assert finding.severity is Severity.ERROR
    assert finding.position is not None
    assert finding.position.file == "f.yaml"
    return finding


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# only a comment\n", []),
        ("---\n---\n\n---\n# nothing\n---\nnull\n---\n~\n", []),
        ("a: 1\n---\nb: 2", [{"a": 1}, {"b": 2}]),
        ("---\na: 1\n---\t\nb: 2\n---", [{"a": 1}, {"b": 2}]),
        ("--- # why\na: 1\n---#close\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("---\r\na: 1\r\n---\r\nb: 2\r\n", [{"a": 1}, {"b": 2}]),
        ("a: 1\n...\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("a: |\n  x\n---\nb: 1\n", [{"a": "x\n"}, {"b": 1}]),
        ("a: 1\n ---\nb: 1\n", [{"a": "1 ---", "b": 1}]),
        ("\ufeffa: 1\n---\n\ufeffb: 1\n", [{"a": 1}, {"b": 1}]),
        ("a: &x 1\n---\nb: &x 2\nc: *x\n", [{"a": 1}, {"b": 2, "c": 2}]),
    ],
)
def test_documents_are_separated_as_kubectl_separates_them(text: str, expected: object) -> None:
    assert data(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ('{"a": 1}\n{"b": 2} {"c": 3}', [{"a": 1}, {"b": 2}, {"c": 3}]),
        ('{"a": 1}\n---\n{"b": 2}\n', [{"a": 1}, {"b": 2}]),
        ('\n{"a": "\\ud83d\\ude00 \\\\ud83d \\/"}', [{"a": "😀 \\ud83d /"}]),
        ('{\n\t"a": [\n\t\t1.5,\n\t\ttrue,\n\t\tnull]}', [{"a": [1.5, True, None]}]),
        ("{a: yes, b: [no]}", [{"a": True, "b": [False]}]),
    ],
)
def test_json_is_read_too(text: str, expected: object) -> None:
    assert data(text) == expected


def test_objects_on_one_line_of_json_have_their_columns() -> None:
    documents, _ = parse('{"a": 1} {"b": 2}', "f.json")
    assert documents[1].positions.value(("b",))[1:] == (1, 16)


def test_documents_know_their_source() -> None:
    documents, _ = parse("a: 1\n---\nb: 2\n", "x/f.yaml", folder="/home/me/x")
    assert [(d.source, d.index, d.folder, d.text) for d in documents] == [
        ("x/f.yaml", 0, "/home/me/x", "a: 1\n---\nb: 2\n"),
        ("x/f.yaml", 1, "/home/me/x", "a: 1\n---\nb: 2\n"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: List\nitems: []\n", []),
        ("kind: List\nitems:\n- a: 1\n- kind: List\n  items: [{b: 2}]\n", [{"a": 1}, {"b": 2}]),
        (
            "kind: TrainJobList\napiVersion: g/v1\nitems:\n- a: 1\n- {kind: X, b: 2}\n",
            [{"apiVersion": "g/v1", "kind": "TrainJob", "a": 1}, {"kind": "X", "b": 2}],
        ),
        ("kind: List\nitems: text\n", [{"kind": "List", "items": "text"}]),
        ("kind: ConfigMap\nitems: [1]\n", [{"kind": "ConfigMap", "items": [1]}]),
    ],
)
def test_a_list_becomes_its_objects(text: str, expected: object) -> None:
    assert data(text) == expected


def test_what_an_alias_repeats_can_be_changed_in_one_place_alone() -> None:
    (found,) = data("a: &x {b: [1]}\nc: *x\nd: {<<: *x}\n")
    found["c"]["b"].append(2)
    assert found["a"] == found["d"] == {"b": [1]}


def test_merged_mappings_are_filled_in() -> None:
    assert data("a: &a {x: 1}\nb: &b {v: 2}\nc:\n  <<: [*a, *b, {z: 3}]\n  w: 4\n")[0]["c"] == {
        "x": 1,
        "v": 2,
        "z": 3,
        "w": 4,
    }
    assert data("a: &a {x: 1}\nb:\n  '<<': 1\n")[0]["b"] == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<<: {x: 1, w: 2}\nx: 3", {"x": 3, "w": 2}),
        ("x: 3\n<<: {x: 1, w: 2}", {"x": 1, "w": 2}),
        ("x: 3\n<<: {x: 1}\nz: 4", {"x": 1, "z": 4}),
        ("<<: {x: 1}\n<<: {x: 2}", {"x": 2}),
        ("<<: {x: 1}\nx: 2\n<<: {x: 3}", {"x": 3}),
        ("<<: [{x: 1}, {x: 2, w: 2}]", {"x": 1, "w": 2}),
        ("<<: [{x: 1}, {x: 2}]\nx: 3", {"x": 3}),
        ("<<: []\nx: 1", {"x": 1}),
        ("<<: {<<: {x: 1, w: 1}, x: 2}\nz: 3", {"x": 2, "w": 1, "z": 3}),
        ("<<: {x: 2, <<: {x: 1}}", {"x": 1}),
        ("<<: [{<<: [{x: 1}, {w: 1}], w: 2}, {x: 5, z: 5}]", {"x": 1, "w": 2, "z": 5}),
        ("a: &a {x: 1}\nb: &b {<<: *a, w: 2}\n<<: *b\nw: 3", {"a": {"x": 1}, "b": {"x": 1, "w": 2}, "x": 1, "w": 3}),
        ("a: &a {x: {w: 1, z: 1}}\nb:\n  <<: *a\n  x: {w: 2}", {"a": {"x": {"w": 1, "z": 1}}, "b": {"x": {"w": 2}}}),
        ("<<: {yes: 1, 0x10: 1, 1.5: 1}\ntrue: 2\n16: 2\n1.5: 2", {"true": 2, "16": 2, "1.5": 2}),
        ("a: &k x\n<<: {x: 1}\n*k : 2", {"a": "x", "x": 2}),
        ("a: &m <<\n*m : {x: 1}\n<<: {w: 2}", {"a": "<<", "<<": {"x": 1}, "w": 2}),
        ("!!merge <<: {x: 1}\nx: 2", {"x": 2}),
        ("<<: &d {x: 1}\nx: 2\nb: *d", {"x": 2, "b": {"x": 1}}),
        ("[{<<: {x: 1}, x: 2}, {x: 1, <<: {x: 2}}]", [{"x": 2}, {"x": 2}]),
    ],
)  # fmt: skip
def test_of_merges_and_keys_the_later_counts_and_of_a_list_of_merges_the_first(text: str, expected: object) -> None:
    assert data(f"v:\n  {text.replace(chr(10), chr(10) + '  ')}\n") == [{"v": expected}]


def test_twenty_thousand_merges_into_one_large_mapping_end_soon() -> None:
    keys = "".join(f"  k{n}: 1\n" for n in range(20_000))
    merges = "".join(f"  <<: {{m{n}: 1}}\n" for n in range(20_000))
    started = time.process_time()
    assert len(data(f"v:\n{keys}{merges}")[0]["v"]) == 40_000
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    ("text", "code", "place", "message"),
    [
        ("a: 1\n b: 2\n", "KF101", (2, 3), 'a "key: value" cannot start here'),
        ("a: b: c\n", "KF101", (1, 5), 'a "key: value" cannot start here'),
        ("a:\n  b: 1\n c: 2\n", "KF101", (3, 2), "does not continue the mapping"),
        ("a:\n- b: 1\n c: 2\n", "KF101", (3, 2), "does not continue the (?:list|mapping)"),
        ("a: 1\nb\nc: 2\n", "KF101", None, 'no "key: value"'),
        ("a: [1, 2\nb: 3\n", "KF101", None, r"a list in \[ \] lacks"),
        ("a: {b: 1\n", "KF101", None, r"a mapping in \{ \} lacks"),
        ("a:\n\tb: 1\n", "KF101", (2, 1), "a tab cannot indent"),
        ("a: @b\n", "KF101", (1, 4), "cannot start with @"),
        ("a: `b\n", "KF101", (1, 4), "cannot start with `"),
        ("a: 'x\n\nb: 1\n", "KF101", (1, 4), "quoted text is not closed"),
        ('a: "\\q"\n', "KF101", None, "unknown escape"),
        ('a: "\\/"\n', "KF101", (1, 4), "unknown escape"),
        ('a: "\\ud83d\\ude00"\n', "KF101", None, "names no character"),
        ('a: "\\xzz"\n', "KF101", (1, 7), "hexadecimal"),
        ('a: "\\x4\\q"\n', "KF101", (1, 7), "hexadecimal"),
        ('a: "\\U00110000"\n', "KF101", (1, 7), "names no character"),
        ('a: "\\Uffffffff"\n', "KF101", (1, 7), "names no character"),
        ('a: "\\\\\\q"\n', "KF101", None, "unknown escape"),
        ('a: "x\\\\\n', "KF101", (1, 4), "quoted text is not closed"),
        ("a: 'x''\n", "KF101", (1, 4), "quoted text is not closed"),
        ("a: 'x\n...\n", "KF101", (1, 4), "quoted text is not closed"),
        ("a: 1\n'b'\nc: 2\n", "KF101", None, 'no "key: value"'),
        ("a: 1\n'b'", "KF101", None, 'no "key: value"'),
        ("a: 1\n*b\nc: 2\n", "KF101", None, 'no "key: value"'),
        ("- a: 1\n- &b\n  !!str\nb: 2\n", "KF101", (4, 1), "does not continue the list"),
        ("-a: 1\n- b\n", "KF101", (2, 1), "does not continue the mapping"),
        ("&a a: 1\n- b\n", "KF101", (2, 1), "does not continue the mapping"),
        ("a: [b, ,]\n", "KF101", (1, 8), "a value is missing"),
        (": b\n", "KF101", (1, 1), "a key is missing before this colon"),
        ("a: {: b}\n", "KF101", (1, 5), "a key is missing before this colon"),
        ("a: &\n", "KF101", (1, 5), r"& or \* without a name"),
        ("a: &x !x!y z\n", "KF101", (1, 7), "unknown tag"),
        ("a: !<x y\n", "KF101", None, "unknown tag"),
        ("a: 1\n%b: 2\n", "KF111", (2, 1), "directives"),
        ("a: [%b]\n", "KF101", (1, 5), "cannot start with %"),
        ("a: 1\n---\n\ufeffb: [@]\n", "KF101", (3, 5), "cannot start with @"),
        ("a: - b\n", "KF101", (1, 4), '"- " item cannot start here'),
        ("a: ? b\n", "KF101", (1, 4), r'"\? " key cannot start here'),
        ("a: *\n", "KF101", None, r"& or \* without a name"),
        ("a: !x!y z\n", "KF101", None, "unknown tag"),
        ("a: | b\n  c\n", "KF101", None, "behind a | or >"),
        ("a: [b?c]\n", "KF101", None, r"refuses a \?|a list in \[ \] lacks"),
        ("a: [http://h/?q=1]\n", "KF101", None, r"refuses a \?|a list in \[ \] lacks"),
        ("a: 1\na: 2\n", "KF102", (2, 1), "the key a appears twice, first in line 1"),
        ("x:\n- 1: a\n  '1': b\n", "KF102", (3, 3), "the key 1 appears twice, first in line 2"),
        ("a: {b: 1, b: 2}\n", "KF102", (1, 11), "the key b appears twice"),
        ("a: 1\n<<: {a: 2}\na: 3\n", "KF102", (3, 1), "the key a appears twice, first in line 1"),
        ("<<: {a: 1}\na: 2\n<<: {a: 3}\na: 4\n", "KF102", (4, 1), "the key a appears twice, first in line 2"),
        ("<<: {a: 1, a: 2}\n", "KF102", (1, 12), "the key a appears twice, first in line 1"),
        ("'<<': 1\n\"<<\": 2\n", "KF102", (2, 1), "the key << appears twice"),
        ("a: \0\n", "KF103", (1, 4), "a NUL byte"),
        ("a: 1\nb: é\x07\n", "KF103", (2, 5), r"U\+0007"),
        ("a: \ud800\n", "KF103", (1, 4), r"U\+D800"),
        ("a: *nope\n", "KF104", (1, 4), "no anchor &nope"),
        ("a: &x [1, *x]\n", "KF104", (1, 11), "&x holds itself"),
        ("a: &x\n  <<: *x\n", "KF104", (2, 7), "&x holds itself"),
        ("- a\n- b\n", "KF108", (1, 1), "must be an object .* found a list"),
        ("text\n", "KF108", (1, 1), "found a text"),
        ("12\n", "KF108", (1, 1), "found a number"),
        ("yes\n", "KF108", (1, 1), "found a boolean"),
        ("kind: List\nitems:\n- null\n", "KF108", (3, 3), "an item of a List .* found null"),
        ("a: .inf\n", "KF109", (1, 4), "infinite number"),
        ("a:\n- .nan\n", "KF109", (2, 3), "not a number"),
        ("a: !!int x\n", "KF109", (1, 4), '"x" is not a !!int'),
        ("a: {null: 1}\n", "KF109", (1, 5), "a key cannot be null"),
        ("? [1]\n: 2\n", "KF109", (1, 3), "a key cannot be a mapping or a list"),
        ("a: &x [1]\n*x : 2\n", "KF109", (2, 1), "a key cannot be a mapping or a list"),
        ("<<: 1\n", "KF110", (1, 5), "<< needs a mapping"),
        ("a: &x [{b: 1}]\n<<: *x\n", "KF110", (2, 5), "<< needs a mapping"),
        ("<<: null\n", "KF110", (1, 5), "<< needs a mapping"),
        ("<<:\n", "KF110", None, "<< needs a mapping"),
        ("a: &x b\n<<: *x\n", "KF110", (2, 5), "<< needs a mapping"),
        ("<<: [{b: 1}, c]\n", "KF110", (1, 5), "<< needs a mapping"),
        ("a: &x [{b: 1}]\n<<: [*x]\n", "KF110", (2, 5), "<< needs a mapping"),
        ("<<: [[{b: 1}]]\n", "KF110", (1, 5), "<< needs a mapping"),
        ("a: 1\n--- {b: 2}\n", "KF111", (2, 4), "refuses text behind the ---"),
        ("----\n", "KF111", (1, 4), "refuses text behind the ---"),
        ("a: 1\n...\nb: 2\n", "KF1(?:01|11)", (3, 1), "has ended|ignores what follows"),
        ("%YAML 1.2\n---\n", "KF111", (1, 1), "directives"),
    ],
)
def test_a_wrong_text_is_refused_where_it_is_wrong(
    text: str, code: str, place: tuple[int, int] | None, message: str
) -> None:
    _, findings = parse(text, "f.yaml")
    (finding,) = findings
    assert finding.code in CODES
    assert re.fullmatch(code, finding.code)
    assert finding.position is not None
    assert place in (finding.position[1:], None)
    assert re.search(message, finding.message), finding.message


def test_a_finding_has_the_line_the_path_and_a_way_out() -> None:
    finding = refused("spec:\n  env:\n  - name: A\n    name: B  # again\n")
    assert finding.excerpt == "    name: B  # again"
    assert finding.path == ("spec", "env", 0, "name")
    assert finding.field == "spec.env[0].name"
    assert finding.hint == "remove one of the two"


def test_every_wrong_document_of_a_source_is_reported_and_the_others_are_read() -> None:
    documents, findings = parse("a: [\n---\nb: 1\n--- x\ny: 1\n---\nc: 1\nc: 1\nd: .inf\n---\ne: 1\n", "f.yaml")
    assert [document.data for document in documents] == [{"b": 1}, {"e": 1}]
    assert [(finding.code, finding.position[1]) for finding in findings if finding.position] == [
        ("KF101", 2),
        ("KF111", 4),
        ("KF102", 8),
        ("KF109", 9),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a:\n" + "- " * 200 + "x\n", "KF106"),
        ("[" * 100_000, "KF106"),
        ("{a: " * 100_000, "KF106"),
        ("- " * 100_000, "KF106"),
        ("? " * 100_000, "KF109"),
        ("".join(" " * n + "a:\n" for n in range(300)), "KF106"),
        ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)), "KF106"),
        ("a: &a [1]\nb: " + "[" * (MAX_DEPTH - 1) + "*a" + "]" * (MAX_DEPTH - 1), "KF106"),
        ("\n".join(f"k{n % 3}: 1" for n in range(10_000)), "KF102"),
    ],
    ids=["items", "brackets", "braces", "dashes", "marks", "indents", "aliases", "alias", "duplicates"],
)
def test_depth_and_number_are_bounded(text: str, code: str) -> None:
    documents, findings = parse(text, "f.yaml")
    assert documents == []
    assert findings[0].code == code
    assert len(findings) < 25


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[" * 100_000, (1, 101)),
        ("{a: " * 100_000, (1, 401)),
        ("- " * 100_000, (1, 201)),
        ("".join(" " * n + "a:\n" for n in range(1500)), (101, 101)),
        ("".join(" " * n + "- \n" for n in range(1500)), (101, 101)),
        ("a:\n" + "- " * 50 + "[" * 5000, (2, 150)),
        ("a: " + "[" * 1200 + "]" * 1200, (1, 103)),
        ("a: " + "[" * 200 + "@", (1, 103)),
        ("a: " + "[" * 200 + "*", (1, 103)),
        ("a:\n  b: " + "[{c: " * 2000, (2, 251)),
    ],
    ids=["brackets", "braces", "dashes", "mappings", "sequences", "flow", "closed", "wrong", "name", "both"],
)
def test_levels_are_counted_however_far_a_parser_looks_ahead_and_how_many_it_bears(
    text: str, place: tuple[int, int]
) -> None:
    documents, findings = parse(f"a: 1\n---\n{text}\n---\nb: 2\n", "f.yaml")
    assert [document.data for document in documents] == [{"a": 1}, {"b": 2}]
    (finding,) = findings
    assert finding.position is not None
    line, column = place
    found = finding.code, finding.message, finding.position[1:], len(finding.path)
    assert found == ("KF106", f"nested more than {MAX_DEPTH} levels deep", (line + 2, column), MAX_DEPTH - 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{[" + "[" * 5000, [("KF109", (1, 2))]),
        ("{a: 1, a: 2, b: " + "[" * 5000, [("KF102", (1, 8)), ("KF106", (1, 116))]),
        ("a: [*x, @]", [("KF104", (1, 5))]),
        ("a: [b: c: d, @]", [("KF101", (1, 9))]),
        ("a: [b}, @]", [("KF101", (1, 6))]),
        ("a: 1\n...\nb: @", [("KF101", (3, 1))]),
    ],
)
def test_what_is_wrong_first_is_told_although_a_parser_saw_something_behind_it(text: str, expected: object) -> None:
    _, findings = parse(text, "f.yaml")
    assert [(finding.code, finding.position[1:]) for finding in findings if finding.position] == expected


def test_the_deepest_document_allowed_is_read() -> None:
    text = "a: " + "[" * (MAX_DEPTH - 1) + "x" + "]" * (MAX_DEPTH - 1)
    (found,) = data(text)
    assert json.dumps(found).count("[") == MAX_DEPTH - 1


def bomb(levels: int, width: int) -> str:
    rows = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(rows)


@pytest.mark.parametrize("levels", [6, 10, 60])
def test_an_alias_bomb_does_not_go_off(levels: int) -> None:
    finding = refused(bomb(levels, 9))
    assert finding.code == "KF105"
    assert "the aliases of this document expand to" in finding.message


def test_many_aliases_of_small_things_are_allowed() -> None:
    text = "a: &a {b: 1, c: 2}\nd:\n" + "- *a\n" * 5000
    assert len(data(text)[0]["d"]) == 5000


def test_scalars_can_be_repeated_by_alias() -> None:
    assert data("a: &a 1e3\nb: *a\nc: {*a : x}\n") == [{"a": 1000, "b": 1000, "c": {"1000": "x"}}]


def test_a_source_beyond_the_size_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "MAX_CHARACTERS", 10)
    assert refused("a: 12345678").code == "KF107"


def test_reading_stops_at_too_many_problems() -> None:
    _, findings = parse("@\n---\n" * 500, "f.yaml")
    assert len(findings) == documents_module.MAX_FINDINGS + 1
    assert findings[-1].code == "KF113"


@pytest.mark.parametrize(
    "text", ["a: &x {b: 1, b: 2}\nc: {<<: *x, d: 3, d: 4}\n", "a: 1\na: 2\nb: [\n", "a: 1\na: 2\n*x : 1\n"]
)
def test_duplicates_are_told_whatever_else_is_wrong(text: str) -> None:
    _, findings = parse(text, "f.yaml")
    assert findings[0].code == "KF102"
    assert "first in line 1" in findings[0].message
    assert len(findings) == 2
