from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kfrun.errors import InvalidInput, NotFound, UsageProblem
from kfrun.load import excerpts, lines, template, values
from kfrun.load.sources import load

GIVEN = {"name": "mnist", "nodes": 2, "image": {"tag": "1"}, "env": [{"name": "A"}, {"name": "B"}], "text": "a\nb"}


def parse(text, given=GIVEN):
    return template.parse(text, "job.yaml.j2", given)


def data(text, given=GIVEN):
    documents, findings = parse(text, given)
    assert findings == []
    return documents[0].data


def finding(text, given=GIVEN):
    """The only finding; it stands inside the template."""
    documents, findings = parse(text, given)
    assert documents == []
    (found,) = findings
    lines = text.split("\n")
    assert 1 <= found.position.line <= len(lines)
    assert 1 <= found.position.column <= len(lines[found.position.line - 1]) + 1
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {{ name }}-{{ nodes }}", {"a": "mnist-2"}),
        ("a: {{ image.tag }}\nb: {{ env[1].name }}", {"a": 1, "b": "B"}),
        ("a: {{ nodes > 1 }}\nb: {{ none }}\nc: {{ image }}", {"a": True, "b": None, "c": {"tag": "1"}}),
        ("a: {{ [1, name] }}", {"a": [1, "mnist"]}),
        ("a:\n{% for item in env %}\n  - {{ item.name | lower }}\n{% endfor %}\n", {"a": ["a", "b"]}),
        ("a: {{ missing | default('x') }}", {"a": "x"}),
        ("{% if missing is defined %}\na: 1\n{% else %}\nb: 2\n{% endif %}\n", {"b": 2}),
        ("a: |\n  {{ text | indent(2) }}\n", {"a": "a\nb\n"}),
        ("a: {{ name.replace('m', 'x').upper() }}", {"a": "XNIST"}),
        ("a: {{ text | tojson }}", {"a": "a\nb"}),
        ("{# a comment #}\na: '{{ '{{' }}'", {"a": "{{"}),
        ("{% macro m(x) %}{{ x }}!{% endmacro %}\na: {{ m(name) }}", {"a": "mnist!"}),
        ("a: {{ env | map(attribute='name') | join(',') }}", {"a": "A,B"}),
        ("a: 1\r\nb: {{ name }}\r\n", {"a": 1, "b": "mnist"}),
        ("a: {{ 'false' | bool }}", {"a": False}),
        ("a: {{ '%s-2024-%02d' % (name, nodes) }}\nb: {{ 2.567 | round(1) }}", {"a": "mnist-2024-02", "b": 2.6}),
        ("a: {{ ('%(n)5s' % {'n': name}) | trim }}", {"a": "mnist"}),
    ],
)
def test_a_template_is_rendered_before_it_is_read(text, expected):
    assert data(text) == expected


LOOP = """\
metadata:
  name: {{ name }}  # the name
env:
{% for item in env %}
- name: {{ item.name }}
  value: x{{ loop.index }}
{% endfor %}
block: |
  {{ text | indent(2) }}
last: true
"""


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("metadata", "name"), (2, 3), (2, 9)),
        (("env",), (3, 1), (5, 1)),
        (("env", 0, "name"), (5, 3), (5, 9)),
        (("env", 1, "value"), (6, 3), (6, 10)),
        (("block",), (8, 1), (8, 8)),
        (("last",), (10, 1), (10, 7)),
    ],
)
def test_positions_are_those_of_the_template(path, key, value):
    (document,), _ = parse(LOOP)
    assert document.positions.key(path)[1:] == key
    assert document.positions.value(path)[1:] == value
    assert document.text == LOOP


def test_what_stands_behind_an_expression_has_its_own_column():
    text = "{ {{ name }}: 1, other: [x] }"
    (document,), _ = parse(text)
    assert document.positions.value(("other", 0))[1:] == (1, text.index("x") + 1)


def test_a_template_that_looks_at_its_own_text_still_has_the_right_lines():
    text = "{% set block %}\n  a: 1\n{% endset %}\n{{ block | trim }}\nb: {{ block | length }}\nc: 3\n"
    (document,), findings = parse(text)
    assert (document.data, findings) == ({"a": 1, "b": 7, "c": 3}, [])
    assert document.positions.key(("c",))[1:] == (6, 1)
    assert document.positions.key(("a",))[1:] == (2, 3)


def test_a_finding_about_the_output_points_at_the_template_and_shows_what_was_written():
    found = finding("a: 1\n{% for i in [1, 2] %}\nb: {{ i }}\n{% endfor %}\n")
    assert (found.code, found.position.line, found.position.column) == ("KF102", 3, 1)
    assert found.excerpt == "b: {{ i }}"
    assert found.hint.endswith("rendered: b: 2")


@pytest.mark.parametrize(
    ("text", "code", "place", "message"),
    [
        ("a: 1\nb: {{ nmae }}", "KF121", (2, 7), '"nmae" is not defined'),
        ("a: {{ image.tga }}", "KF121", (1, 13), 'the mapping has no "tga"'),
        ("a: {{ env[7] }}", "KF121", (1, 4), "the list has no item 7"),
        ("{% if nothing %}{% endif %}", "KF121", (1, 7), '"nothing" is not defined'),
        ("a: {{ [nothing] }}", "KF121", (1, 8), '"nothing" is not defined'),
        ("a: 1\nb: {% if %}", "KF120", (2, 4), "not a template: expected an expression"),
        ("a: {{ name | nosuch }}", "KF120", (1, 14), "no filter named 'nosuch'"),
        ("a: {{ name", "KF120", (1, 4), "unexpected end"),
        ("a: {{ name 2 }}", "KF120", (1, 12), "not a template: "),
        ("a: {% foo %}", "KF120", (1, 7), "not a template: "),
        ("a: {{ name is nosuch }}", "KF120", (1, 15), "not a template: "),
        ("a: {{ name.__class__ }}", "KF123", (1, 12), "not allowed in a template: "),
        ("{% macro m(x) %}{{ x }}{% endmacro %}\na: {{ m() }}", "KF121", (1, 12), "x"),
        ("a: {{ [] | first }}", "KF121", (1, 4), ""),
        ("a: {{ 1 / 0 }}", "KF122", (1, 4), "division by zero"),
        ("a: {{ range }}", "KF122", (1, 4), "a function cannot be written"),
        ("a: {{ env | map('upper') }}", "KF122", (1, 4), "add |list"),
    ],
)
def test_what_is_wrong_with_a_template_is_a_finding_in_it(text, code, place, message):
    found = finding(text)
    assert (found.code, found.position[1:]) == (code, place)
    assert message in found.message


def test_a_misspelt_value_gets_a_suggestion():
    assert finding("a: {{ nmae }}").hint == 'did you mean "name"?'
    assert "--set zzz=" in finding("a: {{ zzz }}").hint
    for text in ("a: {{ image.zzz }}", "a: {{ [] | first }}", "{% macro m(zzz) %}{{ zzz }}{% endmacro %}{{ m() }}"):
        assert finding(text).hint == "values are given with --set, --set-string and --values"


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ (1).__class__ }}",
        "{{ env.__init__.__globals__ }}",
        "{{ '{0.__class__.__mro__}'.format(1) }}",
        "{{ '{x.__class__}'.format_map(image) }}",
        "{{ '%s' | format(1) }}",
        "{{ '' | attr('__class__') }}",
        "{{ ['{0.__class__}'] | map('attr', 'format') | list }}",
        "{{ env | map(attribute='__class__') | list }}",
        "{{ env | sort(attribute='__class__') }}",
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ dict.mro() }}",
        "{{ range.__globals__ }}",
        "{{ loop.__class__ }}",
        "{% for i in [1] %}{{ loop.__class__ }}{% endfor %}",
        "{% for i in [1] %}{{ loop._iterator }}{% endfor %}",
        "{% macro m() %}{% endmacro %}{{ m._environment }}",
        "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
        "{% set n = namespace() %}{{ n.__dict__ }}",
        "{{ env.append(1) }}",
        "{{ image.update(tag=2) }}",
        "{{ image.clear() }}",
        "{{ os.environ }}",
        "{{ self._TemplateReference__context.environment }}",
        "{% include '/etc/passwd' %}",
        "{% include 'job.yaml.j2' ignore missing %}",
        "{% import 'x' as x %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
    ],
)
def test_a_template_reaches_nothing_but_its_values(text):
    given = {**GIVEN, "env": list(GIVEN["env"]), "image": dict(GIVEN["image"])}
    assert finding(f"a: {text}", given).code in ("KF120", "KF121", "KF122", "KF123")
    assert given == GIVEN


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}" + "x" * 1000 + "{% endfor %}",
        "{% for i in range(99999) %}{{ name * 100 }}{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ 10 ** (10 ** 9) }}",
        "{{ (2**4000) * (2**4000) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%*d' % (999999999, 1) }}",
        "{{ '%.999999999f' % 1 }}",
        "{{ '%(a(b)c)999999999d' % {'a(b)c': 1} }}",
        "{{ 5 | round(-10**9) }}",
        "{{ 5 | round(10**9, 'ceil') }}",
        "{{ ('%s' * 100000) % (['x' * 100000] * 100000) }}",
        "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
        "{{ range(99999) | join('x' * 10000) }}",
        "{{ ('\n' * 10000) | indent('x' * 10000) }}",
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = {'a': n.x, 'b': n.x} %}{% endfor %}",
        "{% macro m(x) %}{{ m([x, x]) }}{% endmacro %}{{ m(1) }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for a in [1] recursive %}{{ loop([a, a]) }}{% endfor %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{" * 50_000,
        "{# x #}" + "x" * (template.MAX_CHARACTERS + 1),
    ],
    ids=lambda text: text[:40],
)
@pytest.mark.timeout(30)
def test_a_template_without_end_is_a_finding(text):
    assert finding(text).code == "KF124"


def test_a_file_named_as_a_template_is_rendered_and_others_are_with_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "kind: '{{ kind }}'\n"
    Path("a.yaml").write_text(text)
    Path("b.yaml.j2").write_text(text)
    assert load(["a.yaml"])[0].data == {"kind": "{{ kind }}"}
    assert [item.data["kind"] for item in load(["a.yaml", "b.yaml.j2"], values={"kind": "X"})] == ["X", "X"]
    with pytest.raises(InvalidInput) as caught:
        load(["b.yaml.j2"])
    assert [str(item.position) for item in caught.value.findings] == ["b.yaml.j2:1:11"]
    assert load(["b.yaml.j2"], values={"kind": "X"})[0].folder == str(tmp_path)


def test_the_environment_is_no_value(monkeypatch):
    monkeypatch.setenv("HOME_OF_SECRETS", "x")
    assert finding("a: {{ HOME_OF_SECRETS }}").code == "KF121"


@pytest.mark.parametrize(
    ("texts", "strings", "expected"),
    [
        (["a.b=1"], [], {"a": {"b": 1}}),
        (["a.b=1", "a.c=true"], [], {"a": {"b": 1, "c": True}}),
        (["a=1", "a=2"], [], {"a": 2}),
        (["a=1"], ["a=2"], {"a": "2"}),
        (["list[0]=x", "list[1].y=2.5"], [], {"list": ["x", {"y": 2.5}]}),
        (["list[0][0]=x"], [], {"list": [["x"]]}),
        (["list[0]=x", "list[0]=z"], [], {"list": ["z"]}),
        ([r"a\.b=1"], [], {"a.b": 1}),
        (["a=", "b=null", "c=a=b"], [], {"a": "", "b": None, "c": "a=b"}),
        (['a=[1, "x"]', 'b={"c": 2}'], [], {"a": [1, "x"], "b": {"c": 2}}),
        (["a=x", "a.b=1"], [], {"a": {"b": 1}}),
        (["a[0]=x", "a[1]=[1]", "a[1][0]=2"], [], {"a": ["x", [2]]}),
    ],
)
def test_set_builds_nested_values_and_the_later_wins(texts, strings, expected):
    assert values.read([], texts, strings) == expected


@pytest.mark.parametrize("text", ["a", "=1", ".a=1", "a..b=1", "a[x]=1", "a[0]b=1", "a[1]=1", "a=[1", "[0]=1", "a.=1"])
def test_a_set_that_makes_no_sense_is_refused(text):
    with pytest.raises(UsageProblem):
        values.read([], [text])


def test_files_of_values_are_merged_and_set_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text("a: {b: 1, c: 2}\nlist: [1, 2]\n")
    Path("two.yaml").write_text("a: {b: 3}\nlist: [9]\n")
    Path("empty.yaml").write_text("# nothing\n")
    assert values.read(["one.yaml", "two.yaml", "empty.yaml"], ["a.d=4"]) == {
        "a": {"b": 3, "c": 2, "d": 4},
        "list": [9],
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [("- 1\n", "KF125"), ("a: 1\n---\nb: 2\n", "KF125"), ("a: [\n", "KF101"), ("a: 1\na: 2\n", "KF102")],
)
def test_a_file_that_holds_no_values_is_a_finding(text, code, tmp_path):
    path = tmp_path / "values.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        values.read([str(path)])
    (found,) = caught.value.findings
    assert (found.code, found.position.file) == (code, str(path))


def test_a_missing_file_of_values_is_told():
    with pytest.raises(NotFound):
        values.read(["/nowhere/values.yaml"])


PIECES = (
    "{{", "}}", "{%", "%}", "{#", "#}", "-%}", "|", "~", "**", "*", "%", "(", ")", "[", "]", "'", "\n", "\r", " ",
    "for", "in", "if", "set", "macro", "call", "filter", "raw", "endfor", "endif", "loop", "recursive", "range(9999)",
    "x", "l", "d.b", "__class__", "self", "namespace(", "import", "extends", "\u2028", "\x00", ":", "- ",
)  # fmt: skip
SEEDS = (
    "a: {{ x }}\n{% for i in range(3) %}\nk{{ i }}:\n  b: {{ l | tojson }}\n{% endfor %}\nlast: {{ s }} # c\n",
    "{% macro m(x) %}{{ x | join(',') }}{% endmacro %}\na: {{ m(l) }}\nb: |\n  {{ s | indent(2) }}\n",
    "{% set ns = namespace(v=1) %}{% for a, b in d.items() %}{% set ns.v = ns.v * 10 ** x %}{{ a }}: 1\n{% endfor %}",
)
VALUES = {"x": 2, "l": [1, "b"], "s": "q\nr", "d": {"b": [1], "e": None}}


@settings(max_examples=300, deadline=2000, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 6), st.sampled_from(PIECES)), min_size=1, max_size=6),
)
def test_whatever_a_template_says_it_ends_and_every_position_is_in_it(text, changes):
    for start, length, piece in changes:
        text = text[:start] + piece + text[start + length :]
    documents, findings = template.parse(text, "job.yaml.j2", VALUES)
    places = [item.position for item in findings]
    places += [item.positions.value(path) for item in documents for path in ((), ("a",), ("k1", "b"), ("last",))]
    lines = re.split("\r\n?|\n", text)
    for place in places:
        assert 1 <= place.line <= len(lines)
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1


def test_a_line_of_a_template_is_looked_up_as_its_positions_count():
    text = "# a\x85# b\u2028# c {{ name }}\nmetadata:\x85  name: x\napiVersion: v1\nkind: Secret\n"
    (document,), findings = parse(text)
    assert findings == []
    place = document.positions.value(("kind",))
    assert place[1:] == (4, 7)
    assert lines.line_of(document, place.line) == "kind: Secret" == excerpts.excerpt(document, place)
    assert list(lines.lines_from(document, 3)) == [(3, "apiVersion: v1"), (4, "kind: Secret"), (5, "")]
    assert lines.line_of(document, 6) == ""
