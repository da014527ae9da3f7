"""Whatever somebody writes, reading it takes time in proportion: 100 KB of the worst for each expression, and loops."""

from __future__ import annotations

import re

import pytest

from kfrun import masking, settings, terminal
from kfrun.cli import durations
from kfrun.execute.environments import credentials
from kfrun.execute.local.pods import variables
from kfrun.execute.local.process import causes
from kfrun.execute.local.process.addresses import Addresses
from kfrun.flow.waits import conditions
from kfrun.load import placeholders, values
from kfrun.load.kubeyaml import foreign
from kfrun.load.lines import entries
from kfrun.observe import selection
from kfrun.patterns import split_outside
from kfrun.plan import compare
from kfrun.plan.support import messagepatterns
from kfrun.report import diff, objects, table, yamljson
from kfrun.report.jsonpath import JsonPath
from kfrun.resolve import packages
from kfrun.validate.advice import fieldpaths
from kfrun.validate.lint import secrets
from kfrun.validate.lint.subject import Choice, Subject
from kfrun.validate.schema import schemas
from tests import worst_cases
from tests.worst_cases import LENGTH, SECONDS, Expression

FOUND, UNKNOWN = worst_cases.expressions()

LATER = {
    "kfrun.execute.local.process.addresses: f'(?<![\\\\w.-]){host}{domain}:(\\\\d{{1,5}})(?!\\\\d)'",
    "kfrun.execute.local.process.addresses: host",
    "kfrun.load.template: f'(?<!\\\\w){re.escape(word)}(?!\\\\w)'",
    "kfrun.load.placeholders: expression",
    "kfrun.plan.support.messagepatterns: _of_python(pattern)",
    "kfrun.patterns: *self._arguments",
    'kfrun.settings: f"""^[^\\\\S\\\\n]*+\\\\[*+[^\\\\S\\\\n]*+["\']?{re.escape(key)}["\']?\\\\s*[]=.]"""',
    "kfrun.validate.schema.hints: pattern",
    "kfrun.validate.schema.keywords: wanted.removesuffix('$') + '\\\\Z' if wanted.endswith('$') else wanted",
    "kfrun.validate.schema.structure: re.sub('\\\\$$', '\\\\\\\\Z', expression)",
}
"""Made of what is known later only; tried below, those of the schemas with every pattern of every schema."""


def test_expressions_that_cannot_be_told_from_the_source_are_known():
    assert UNKNOWN == LATER


GUARDED = {
    "kfrun.execute.local.pods.variables": "what is behind the last closing bracket is not searched: see `expand` below",
}
"""Modules with an expression that is slow by itself, and why it is not where it is used."""


@pytest.mark.parametrize(
    "expression",
    [one for one in FOUND if one.place.partition(":")[0] not in GUARDED],
    ids=lambda one: f"{one.place}-{one.method}",
)
def test_an_expression_takes_time_in_proportion_to_the_text(expression):
    seconds, text = worst_cases.slowest(expression)
    assert seconds < SECONDS, f"{expression.compiled.pattern!r} with {text}"


@pytest.mark.parametrize(("text", "method"), [(r"\$\(([^)]*)\)", "sub"), (r"(\d+)(s|m)", "sub"), ("(a+)+b", "match")])
def test_a_slow_expression_would_be_noticed(text, method):
    assert worst_cases.slowest(Expression("here", re.compile(text), method))[0] > SECONDS


def patterns_of(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for value in schema.values():
            yield from patterns_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from patterns_of(value)


def test_patterns_of_the_schemas_take_time_in_proportion_to_the_text():
    from kfrun.model import kinds

    found = {
        pattern
        for version in schemas.FOLDERS
        for kind in kinds.TRAINER_KINDS
        for pattern in patterns_of(schemas.schema(version, kind))
    }
    assert found
    for pattern in found:
        compiled = re.compile(re.sub(r"\$$", r"\\Z", pattern))
        seconds, text = worst_cases.slowest(Expression("schema", compiled, "search"))
        assert seconds < SECONDS, f"{pattern!r} with {text}"


FACTS = variables.PodFacts("a", "b", "c", {}, {}, "", "", ("127.0.0.1",), ("127.0.0.1",))


class Plain:
    """Addresses as they are."""

    def variable(self, name, value, *, injected):
        return value

    def text(self, text):
        return text


def environment(text):
    entries = [{"name": f"V{number}", "value": text or f"$(V{number - 1})" * 8} for number in range(10)]
    variables.environment({"env": entries}, FACTS, Plain(), ())


def lint_packages(text):
    data = {"kind": "TrainJob", "metadata": {"annotations": {"kfrun.dev/packages": text}}}
    return list(secrets.unpinned(Subject(data, None, Choice())))


def command(text):
    return {"kind": "TrainJob", "spec": {"trainer": {"command": ["sh", "-c", text]}}}


WORK = {
    "message pattern": lambda text: messagepatterns.is_found(text, "a" * 500),
    "expand": lambda text: variables.expand(text, {"A": "B"}),
    "environment": environment,
    "field": FACTS.field,
    "words": lambda text: masking.words(["--token", text, text]),
    "masked": lambda text: masking.data(command(text)),
    "url": masking.text,
    "changes": lambda text: compare.changes(command(text), command(text + "x")),
    "credentials": credentials.without_credentials,
    "scrubber": lambda text: credentials.Scrubber((text,))(text),
    "missing program": lambda text: causes.missing((text, text), "/", "/bin"),
    "refused program": lambda text: causes.refused((text, text), "/", "/bin/true", PermissionError(13, text)),
    "selector": selection.parse_selector,
    "split": lambda text: split_outside(text, "()"),
    "columns": lambda text: objects.formatter(f"custom-columns={text}", single=True),
    "jsonpath": JsonPath,
    "jsonpath relaxed": JsonPath.relaxed,
    "condition": conditions.parse,
    "condition value": lambda text: conditions.parse(f"jsonpath={text}"),
    "duration": lambda text: durations.parse_duration(text, "--timeout"),
    "since": lambda text: durations.parse_since(text, "--since", 0.0),
    "requirements": lambda text: packages.parse(entries(text)),
    "lint": lint_packages,
    "field path": lambda text: fieldpaths.find(text, version=schemas.DEFAULT_VERSION, recursive=False),
    "placeholder": lambda text: placeholders.at(text, 1),
    "placeholder of a line": placeholders.of_line,
    "other language": placeholders.of_another_language,
    "conflict": foreign.conflict,
    "set": lambda text: values.read((), (text,), ()),
    "key": lambda text: settings._line_of("cache_dir", text),
    "clean": table.clean,
    "printable": lambda text: terminal.printable(text, styled=True),
    "harmless": terminal.harmless,
    "yaml": lambda text: yamljson.to_yaml([{"a": text}]),
    "json": lambda text: yamljson.to_json([{"a": text}]),
    "diff": lambda text: diff.to_text(
        [diff.ObjectDiff("a", "b", compare.changes(command(text), command(f"x{text[::-1]}")))], color=True
    ),
}
"""What goes over a text of somebody."""

UNITS = (
    "$(", "$$", "$(A)", "(", ")", ",", ",(", "[", "]", "{", "}", "[a", "a[", "['", '"', "'", "\\", ".", "..", "a.",
    "=", "==", "a==", "a=", "!", "#", "\n", "\n#", "a\n", "\n\n", " ", " -", ":", "://", "://a@", "@", "?a=", "&a=",
    "::", "##", "##[", "token",
    "token=", 'token "', "token='", "--token ", "Bearer ", "key-", "_key", "a-", "0", "1.", "1s",
    "s1", "-", "\x1b[", "\x1b[31m", "\u202e", "\x00", "a in (", "a;python_version=='3'\n", 'a; sys_platform == "',
    "a @ b\n", "a/", "./", "../", "/",
    "{{", "{{ .", "{%", "${", "${A}", "<%", "<a", "@a", "@a@", "%(a", "__A", "((", "[[", "<<<<<<< ", "=======\n",
    "a: {{ b }} ",
    "{range .a}", "{end}", "{.a", "?(", "@.a==", "a b c\n", "\t", "1e", "é",
)  # fmt: skip


@pytest.mark.parametrize("number", range(len(placeholders._KINDS)))
def test_a_placeholder_is_found_in_time_in_proportion_to_the_text(number):
    compiled = re.compile(placeholders._KINDS[number][0].pattern)
    seconds, text = worst_cases.slowest(Expression("placeholders", compiled, "finditer"))
    assert seconds < SECONDS, f"{compiled.pattern!r} with {text}"


@pytest.mark.parametrize("name", WORK)
def test_what_goes_over_a_text_takes_time_in_proportion(name):
    texts = [(unit, ending) for unit in UNITS for ending in ("", "]")]
    tried = sorted((worst_cases.seconds(WORK[name], made(*text, LENGTH // 10)), text) for text in texts)
    # what is quick with a tenth of it is quick with all of it, and the slowest is tried anyway
    assert tried[-1][0] < SECONDS, tried[-1]
    for _, text in tried[-3:]:
        assert worst_cases.seconds(WORK[name], made(*text, LENGTH)) < 2 * SECONDS, text


def made(unit, ending, length):
    return (unit * (length // len(unit) + 1))[:length] + ending


def numbered(count, text):
    return "".join(text.format(number) for number in range(count))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements", numbered(12_000, "p{}\n")),
        ("requirements", numbered(2_500, "a=={}; python_version == '3.{}'\n".replace("{}", "{0}"))),
        ("lint", numbered(12_000, "p{}\n")),
        ("selector", numbered(10_000, "k{}=v,")),
        ("columns", numbered(8_000, "N{}:.a,")),
        ("diff", numbered(16_000, "{}\n")),
        ("environment", ""),
    ],
)
def test_many_different_parts_take_time_in_proportion(name, text):
    assert worst_cases.seconds(WORK[name], text) < 3 * SECONDS


def test_addresses_are_found_in_time_in_proportion():
    made = Addresses({"node": (1, 1)}, *(re.compile(text) for text in (HOST, rf"(?<![\w.-]){HOST}:(\d{{1,5}})(?!\d)")))
    for unit in ("a-node-0-0.a", "a-node-0-0.a:", "a-", "0", "a-node-0-0.a:1", "-0"):
        text = unit * (LENGTH // len(unit))
        assert worst_cases.seconds(made.is_host, text) < SECONDS
        assert worst_cases.seconds(lambda text: made.replace(text, {"a-node-0-0.a:1": 2}), text) < SECONDS


HOST = r"(a-(node)-((?:0|[1-9][0-9]{0,8}))-((?:0|[1-9][0-9]{0,8}))\.a)"
