from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.load.kubeyaml import events, parse, pureyaml, search
from kfrun.load.kubeyaml.positions import Node, _Reader
from tests.bench import corpus

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parent.parent / "data"

TEXT = """\
# a comment
apiVersion: v1
kind: Thing
spec:
  list:
  - one
  - name: two
    value:
  - [x, {q: z}]
  "quoted key":
    'deep'
  é: ü   # characters, not bytes
  block: |
    text
"""


@pytest.fixture(params=["libyaml", "pure"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.setattr(events, "PARSER", pureyaml.PureParser)


def places(text: str) -> Any:
    (document,), findings = parse(text, "f.yaml")
    assert findings == []
    return document.positions


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), (2, 1), (2, 1)),
        (("kind",), (3, 1), (3, 7)),
        (("spec",), (4, 1), (5, 3)),
        (("spec", "list"), (5, 3), (6, 3)),
        (("spec", "list", 0), (6, 5), (6, 5)),
        (("spec", "list", 1), (7, 5), (7, 5)),
        (("spec", "list", 1, "name"), (7, 5), (7, 11)),
        (("spec", "list", 1, "value"), (8, 5), (8, 11)),
        (("spec", "list", 2, 1, "q"), (9, 10), (9, 13)),
        (("spec", "quoted key"), (10, 3), (11, 5)),
        (("spec", "é"), (12, 3), (12, 6)),
        (("spec", "block"), (13, 3), (13, 10)),
    ],
)
def test_keys_and_values_stand_where_the_text_has_them(
    path: tuple[str | int, ...], key: tuple[int, int], value: tuple[int, int]
) -> None:
    positions = places(TEXT)
    assert positions.key(path)[1:] == key
    assert positions.value(path)[1:] == value
    assert positions.value(path).file == "f.yaml"


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        (("absent",), ()),
        (("spec", "list", 9, "name"), ("spec", "list")),
        (("spec", "list", 0, "deeper", 3), ("spec", "list", 0)),
        (("kind", 0), ("kind",)),
    ],
)
def test_a_path_without_a_node_answers_for_its_nearest_ancestor(
    path: tuple[str | int, ...], nearest: tuple[str | int, ...]
) -> None:
    positions = places(TEXT)
    assert positions.value(path) == positions.value(nearest)
    assert positions.key(path) == positions.value(nearest)


def test_later_documents_count_lines_from_the_start_of_the_source() -> None:
    text = "---\n# first\na: 1\n--- # second\n\n---\nb:\n  c: 2\n"
    documents, _ = parse(text, "f.yaml")
    assert [document.positions.value(())[1:] for document in documents] == [(3, 1), (7, 1)]
    assert documents[1].positions.value(("b", "c"))[1:] == (8, 6)


def test_windows_line_ends_and_a_byte_order_mark_do_not_move_anything() -> None:
    documents, _ = parse("\ufeffa: 1\r\n---\r\nb: 2\r\n", "f.yaml")
    assert documents[0].positions.value(("a",))[1:] == (1, 4)
    assert documents[1].positions.value(("b",))[1:] == (3, 4)


def test_an_alias_stands_where_it_is_written_and_its_inside_at_the_anchor() -> None:
    positions = places("a: &x\n  b: 1\nc: *x\n")
    assert positions.value(("c",))[1:] == (3, 4)
    assert positions.value(("c", "b"))[1:] == (2, 6)


def test_merged_keys_stand_where_they_were_written() -> None:
    positions = places("a: &x\n  b: 1\nc:\n  <<: *x\n  d: 2\ne:\n  <<: [{f: 1},\n       {g: 2}]\n")
    assert positions.key(("c", "b"))[1:] == (2, 3)
    assert positions.value(("e", "g"))[1:] == (8, 12)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x: &d {b: 1}\nc:\n  <<: *d\n  b: 2\n", (4, 6)),
        ("x: &d {b: 1}\nc:\n  b: 2\n  <<: *d\n", (1, 11)),
        ("c:\n  <<: {b: 1}\n  <<: {b: 2}\n", (3, 11)),
        ("c:\n  <<: [{b: 1}, {b: 2}]\n", (2, 12)),
        ("c:\n  <<: [{b: 1}, {b: 2}]\n  b: 3\n", (3, 6)),
        ("c:\n  <<: {<<: {b: 1}, b: 2}\n", (2, 23)),
        ("c:\n  <<: {b: 2, <<: {b: 1}}\n", (2, 22)),
        ("c:\n  <<: {b: 1}\n  b: 2\n  <<: {b: 3}\n", (4, 11)),
    ],
)
def test_a_key_stands_where_the_value_comes_from_that_counts(text: str, place: tuple[int, int]) -> None:
    assert places(text).value(("c", "b"))[1:] == place


def test_keys_that_are_no_strings_are_found_by_their_name() -> None:
    positions = places("yes: 1\n0x10: 2\na: &k x\n*k : 4\n")
    assert positions.value(("true",))[1:] == (1, 6)
    assert positions.value(("16",))[1:] == (2, 7)
    assert positions.value(("x",))[1:] == (4, 6)


def test_objects_of_a_list_keep_their_places() -> None:
    text = "kind: List\nitems:\n- kind: A\n- kind: List\n  items:\n  - kind: B\n    spec: {x: 1}\n"
    documents, findings = parse(text, "f.yaml")
    assert findings == []
    assert [document.data["kind"] for document in documents] == ["A", "B"]
    assert documents[1].positions.value(())[1:] == (6, 5)
    assert documents[1].positions.value(("spec", "x"))[1:] == (7, 15)
    assert documents[1].positions.key(("spec",))[1:] == (7, 5)
    assert documents[1].positions.value(("absent",)) == documents[1].positions.value(())


@pytest.mark.parametrize(
    ("name", "path", "value", "place"),
    [
        ("yaml-unquoted-y-is-boolean", ("env", 0, "value"), True, (46, 28)),
        ("yaml-unquoted-on-is-boolean", ("env", 0, "value"), True, (46, 28)),
        ("yaml-unquoted-number-env", ("env", 0, "value"), 8080, (46, 28)),
        ("yaml-octal-and-exponent", ("args", 0), 8, (46, 12)),
        ("yaml-octal-and-exponent", ("args", 1), 1000, (46, 17)),
        ("yaml-octal-and-exponent", ("args", 4), "12:30", (46, 35)),
        ("yaml-octal-and-exponent", ("args", 5), None, (46, 42)),
        ("yaml-octal-and-exponent", ("args", 6), 0.5, (46, 45)),
        ("yaml-octal-and-exponent", ("args", 7), "2024-01-01", (46, 49)),
    ],
)
def test_the_conformance_cases_have_the_values_and_places_that_validation_needs(
    name: str, path: tuple[str | int, ...], value: object, place: tuple[int, int]
) -> None:
    (_, job), findings = parse((DATA / f"{name}.yaml").read_text(encoding="utf-8"), name)
    assert findings == []
    found: Any = job.data["spec"]["trainer"]
    for part in path:
        found = found[part]
    assert (type(found), found) == (type(value), value)
    assert job.positions.value(("spec", "trainer", *path))[1:] == place


SEARCHED = """\
a: {b: [1, {"c": d}], 'e': x}
"1": dash
2: two
true: [[], {}, [x, [y]]]
f:
- g: |
    text
  h: 1
-
- null
"""


def every_path(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    for part, below in node.below.items():
        yield from every_path(below, (*path, part))


@pytest.mark.parametrize("text", [SEARCHED, *(text for _, text in corpus.documents(4)), "- a\n", "x"])
def test_a_place_is_the_same_searched_for_and_read(text: str) -> None:
    root = _Reader(text).read()
    for path in every_path(root):
        node = root
        for part in path:
            node = node.below[part]
        found = search.search(text, path, is_json=False)
        assert found is not None
        assert found.is_there
        assert [(mark.line, mark.column) for mark in found[:2]] == [
            (mark.line, mark.column) for mark in (node.key, node.value)
        ]
        for missing in ("missing", 99):
            beyond = search.search(text, (*path, missing, "x"), is_json=False)
            assert beyond is not None
            assert not beyond.is_there
            assert beyond.value.index == found.value.index


@pytest.mark.parametrize("text", ["a: &x {b: 1}\nc: *x\n", "a: {<<: {b: 1}}\n", "[a]: b\n", "", "{a: [b"])
def test_what_is_not_so_simple_is_left_to_the_reader(text: str) -> None:
    assert search.search(text, ("a", "b"), is_json=False) is None


def test_after_a_few_questions_all_places_are_read() -> None:
    (document,), _ = parse(TEXT, "a.yaml")
    paths = [("spec",), ("kind",), ("apiVersion",), ("spec", "list", 1, "name"), ("kind",)]
    places = [document.positions.value(path) for path in paths]
    (other,), _ = parse(TEXT + "# & no search\n", "a.yaml")
    assert places == [other.positions.value(path) for path in paths]
    assert document.positions._root is not None
