from __future__ import annotations

import time

import pytest

from kfrun.load.kubeyaml import events, parse, pureyaml


@pytest.fixture(params=["libyaml", "pure"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.setattr(events, "PARSER", pureyaml.PureParser)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("name: {{ .Values.name }}\n", (1, 7), "{{ .Values.name }}"),
        ("a: 1\nnumNodes: {{ .Values.nodes | default 2 }}\n", (2, 11), "helm template"),
        ("name: {{ .Release.Name }}-{{ .Values.x }}\n", (1, 7), "helm template"),
        ("image: {{ .Values.image }}:{{ .Values.tag }}\n", (1, 8), "helm template"),
        ("{{ .Values.key }}: 1\n", (1, 1), "helm template"),
        ("a:\n- {{ .Values.item }}\n", (2, 3), "helm template"),
        ("a: 1\n{{- if .Values.on }}\nb: 2\n{{- end }}\n", (2, 1), "helm template"),
        ("metadata:\n  {{- with .Values.labels }}\n  labels: {}\n  {{- end }}\n", (2, 3), "helm template"),
        ('metadata:\n  labels:\n    {{ include "chart.labels" . | nindent 4 }}\nspec: {}\n', (3, 5), "helm template"),
        ("a: 1\n{{/* a comment */}}\nb: 2\n", (2, 1), "helm template"),
        ('a: "{{ .Values.x | default "y" }}"\n', (1, 5), "helm template"),
        ("a: [{{ .Values.x }}, 2]\n", (1, 5), "helm template"),
        ("{{ toYaml .Values.job }}\n", (1, 1), "helm template"),
        ("name: {{ name }}\n", (1, 7), "--set NAME=VALUE"),
        ("name: {{ name | default('x') }}\n", (1, 7), "--values FILE"),
        ("{% if on %}\na: 1\n{% endif %}\n", (1, 1), "--set NAME=VALUE"),
        ("a:\n{% for x in y %}\n- 1\n{% endfor %}\n", (2, 1), "--set NAME=VALUE"),
        ("{# a comment #}\na: 1\n", (1, 1), "--set NAME=VALUE"),
        ("a: {name: ${JOB}}\n", (1, 11), "envsubst"),
        ("a: [${NODES}]\n", (1, 5), "envsubst"),
        ("name: @NAME@\n", (1, 7), "write the value"),
        ("name: %(name)s\n", (1, 7), "write the value"),
        ("name: %NAME%\n", (1, 7), "write the value"),
    ],
)
def test_a_template_that_nobody_rendered_is_called_so(text: str, place: tuple[int, int], words: str) -> None:
    documents, (finding,) = parse(text, "f.yaml")
    assert documents == []
    assert finding.position is not None
    assert (finding.code, finding.position[1:]) == ("KF117", place)
    assert words in f"{finding.message}: {finding.hint}"
    assert "quote" not in f"{finding.message} {finding.hint}"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: '{{ x }}'\nb: [\n", "KF101"),
        ("a: '{{ x }}' b\n", "KF101"),
        ("a: |\n  {{ x }}\nb: [\n", "KF101"),
        ("a: {b: {c: 1}}\nd: [}\n", "KF101"),
        ("a: {b: {c: 1}}, d\n", "KF101"),
        ("a: {{b: 1}: 2}\n", "KF109"),
        ("a: ${X}\nb: c: d\n", "KF101"),
        ("a: me@example.com: x\n", "KF101"),
        ("%YAML 1.2\n---\na: 1\n", "KF111"),
        ("a: 50%: b\n", "KF101"),
    ],
)
def test_what_is_wrong_beside_a_template_or_looks_like_one_is_told_as_it_is(text: str, code: str) -> None:
    _, (finding, *_) = parse(text, "f.yaml")
    assert finding.code == code


def test_a_document_that_is_but_a_placeholder_is_called_so() -> None:
    _, (finding,) = parse("---\n${MANIFEST}\n", "f.yaml")
    assert (finding.code, str(finding.hint)[:11]) == ("KF108", "${MANIFEST}")
    assert "envsubst" in str(finding.hint)


CONFLICT = "a: 1\n<<<<<<< HEAD\n  b: 2\n=======\n  b: 4\n>>>>>>> larger\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (CONFLICT, 2),
        (CONFLICT.replace("\n", "\r\n"), 2),
        ("a: 1\n<<<<<<< .mine\n||||||| .r1\nb: 2\n=======\nb: 3\n>>>>>>> .r2\n", 2),
        ("<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b\n", 1),
        ("<<<<<<< HEAD\n", 1),
        ("x: |\n  y\n<<<<<<< HEAD\n  z\n", 3),
        ('{"a": [\n<<<<<<< HEAD\n"b",\n=======\n"c",\n>>>>>>> other\n"d"]}\n', 2),
        ("a: [\n<<<<<<< HEAD\nb,\n=======\nc,\n>>>>>>> other\n]\n", 2),
        ("a: 1\nb: 2\n=======\nb: 4\n>>>>>>> other\n", 3),
    ],
)
def test_the_marks_of_a_merge_conflict_are_called_so_once(text: str, line: int) -> None:
    documents, (finding,) = parse(text, "f.yaml")
    assert documents == []
    assert finding.position is not None
    assert (finding.code, finding.position[1:]) == ("KF116", (line, 1))
    assert "resolve the conflict" in str(finding.hint)


def test_the_other_documents_of_a_file_with_a_conflict_are_read() -> None:
    documents, (finding,) = parse(f"c: 1\n---\n{CONFLICT}---\nd: 2\n", "f.yaml")
    assert [document.data for document in documents] == [{"c": 1}, {"d": 2}]
    assert finding.position is not None
    assert finding.position.line == 4


@pytest.mark.parametrize(
    "text",
    [
        "a: |\n  <<<<<<< HEAD\n  =======\n",
        "a: <<<<<<< HEAD\n",
        "# <<<<<<< HEAD\na: 1\n",
        "a: '======='\n",
        "<<: {a: 1}\n",
    ],
)
def test_what_looks_like_a_mark_inside_of_a_text_is_none(text: str) -> None:
    documents, findings = parse(text, "f.yaml")
    assert (len(documents), findings) == (1, [])


@pytest.mark.parametrize(
    "part", ["{{", "{% ", "'", '"', "${", "<<<<<<< ", "{{ . ", "@a", "=======\n", "{{ a }}\n", "\n"]
)
def test_a_hundred_kilobytes_of_anything_are_looked_at_soon(part: str) -> None:
    started = time.process_time()
    parse("a: [" + part * (100_000 // len(part)), "f.yaml")
    parse("a: {{ " + part * (100_000 // len(part)), "f.yaml")
    assert time.process_time() - started < 20
