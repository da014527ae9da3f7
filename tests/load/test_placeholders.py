from __future__ import annotations

import time

import pytest

from kfrun.load import placeholders


@pytest.mark.parametrize(
    ("line", "found", "words"),
    [
        ("name: ${JOB}", "${JOB}", "envsubst"),
        ("name: $JOB", "$JOB", "envsubst"),
        ("name: job-${JOB:-x}-1", "${JOB:-x}", "envsubst"),
        ('name: "${JOB}"', "${JOB}", "envsubst"),
        ('name: "{{ .Values.name }}"', "{{ .Values.name }}", "helm template"),
        ('name: "{{ include \\"x\\" . }}"', '{{ include \\"x\\" . }}', "helm template"),
        ('name: "{{ name }}"', "{{ name }}", "--set"),
        ("name: {% raw %}", "{% raw %}", "--set"),
        ("name: ${{ github.sha }}", "${{ github.sha }}", "CI system"),
        ("name: $[[ inputs.name ]]", "$[[ inputs.name ]]", "CI system"),
        ("name: $(JOB)", "$(JOB)", "in commands, arguments and env"),
        ("name: <job-name>", "<job-name>", "write the value"),
        ("name: <% job %>", "<% job %>", "write the value"),
        ("name: ((job))", "((job))", "write the value"),
        ("name: a#{job}", "#{job}", "write the value"),
        ("name: __JOB__", "__JOB__", "write the value"),
        ("name: a@JOB@", "@JOB@", "write the value"),
        ("name: {job}", "{job}", "write the value"),
        ("name: [[ job ]]", "[[ job ]]", "write the value"),
        ("name: '<<<<<<< HEAD'", "<<<<<<<", "resolve the conflict"),
    ],
)
def test_a_placeholder_is_found_in_the_value_that_it_stands_in(line: str, found: str, words: str) -> None:
    placeholder = placeholders.at(line, 7)
    assert placeholder is not None
    assert placeholder.text == found
    assert words in placeholder.hint


def test_what_could_steer_a_terminal_is_not_repeated() -> None:
    placeholder = placeholders.at("name: {{ \x1b[2J\u202e }}", 7)
    assert placeholder is not None
    assert placeholder.text == "{{ \ufffd[2J\ufffd }}"


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("name: job", 7),
        ("name: Bad_Name  # was ${JOB}", 7),
        ("nme: ${JOB}", 1),
        ("{nme: ${JOB}}", 2),
        ("[Bad, ${JOB}]", 2),
        ("${JOB}: x", 9),
        ("name: a$", 7),
        ("name: costs 5$ or 50%", 7),
        ("name: me@example.com", 7),
        ("name: {b: 1}", 7),
        ("name: a < b and c > d", 7),
        ("name: __init__", 7),
    ],
)
def test_what_is_none_or_stands_elsewhere_is_not_found(line: str, column: int) -> None:
    assert placeholders.at(line, column) is None


@pytest.mark.parametrize(
    "part", ["{{", "${", "$(a", "<a", "((a", "#{", "{a", "%(a", "@a", "__A", "{% ", "[[", "'", ":", "<", "$"]
)
def test_a_hundred_kilobytes_of_what_begins_a_placeholder_are_searched_soon(part: str) -> None:
    line = part * (100_000 // len(part))
    started = time.process_time()
    placeholders.at(line, 1)
    placeholders.of_line(line)
    placeholders.of_another_language(line)
    assert time.process_time() - started < 5
