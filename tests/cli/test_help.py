"""Help: what it shows, that its examples work, and that every command that kfrun names can be typed."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from kfrun import __main__
from kfrun.cli import main, synonyms
from kfrun.cli.examples import EXAMPLES
from kfrun.errors import KfrunError
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Kfrun

ROOT = Path(__file__).parents[2]
JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: hello}}
spec:
  runtimeRef: {{name: plain-python}}
  trainer: {{command: [python, -c, "{}"]}}
"""
RUNNING = {"suspend", "delete"}
"""Verbs whose examples want a job that runs."""
CODES = {"kfrun diff -f job.yaml": 0, "kfrun plan -f job.yaml --detailed-exitcode -o json": 2, "kfrun diff -R -f .": 0}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_every_verb_stands_in_one_group() -> None:
    grouped = [name for names in main.GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(main.COMMANDS)


def test_every_verb_has_examples_and_its_help_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = {" ".join(path) for path, _ in commands(main.cli)}
    assert verbs == set(EXAMPLES)
    assert {len(examples) for examples in EXAMPLES.values()} == {2, 3}
    for verb, examples in EXAMPLES.items():
        assert __main__.main([*verb.split(), "--help"]) == 0
        shown = capsys.readouterr().out
        assert all(f"# {purpose}\n  {line}\n" in shown for purpose, line in examples), verb


@pytest.mark.parametrize("verb", EXAMPLES)
def test_the_examples_of_a_verb_work(kfrun: Kfrun, verb: str) -> None:
    code = "import time; time.sleep(60)" if verb in RUNNING else "print('hello')"
    if verb == "init":
        kfrun.write("train.py", "print('hello')")
    else:
        kfrun.write("job.yaml", JOB.format(code))
    if verb == "run":
        kfrun.write("train.py", "import sys; print(sys.argv)")
    if verb == "create":  # each line must be new
        kfrun.write("job.yaml", JOB.format(code).replace("name: hello", "generateName: hello-", 1))
    if verb not in ("run", "init", "apply", "plan", "create"):
        kfrun.ok("apply", "-q", *([] if verb in RUNNING else ["--wait"]), "-f", "job.yaml")
    if verb == "resume":
        kfrun.ok("delete", "hello")
        kfrun.write("job.yaml", JOB.format("pass") + "  suspend: true\n")
        kfrun.ok("apply", "-q", "-f", "job.yaml")
    program = kfrun.folder.parent / "kfrun"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m kfrun "$@"\n')
    program.chmod(0o755)
    env = {**kfrun.env, "PATH": f"{program.parent}:{kfrun.env['PATH']}"}
    for _, line in EXAMPLES[verb]:
        done = subprocess.run(
            ["bash", "-c", line], cwd=kfrun.folder, env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == CODES.get(line, 0), (line, done.stdout, done.stderr)
    eventually(lambda: verb in RUNNING or not kfrun.processes(), what="what was started has ended")


def test_without_arguments_the_verbs_are_shown_in_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main([]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"\b{name}\b", shown) for name in main.COMMANDS)
    assert len(shown.splitlines()) < 20
    examples = re.findall(r"^  (kfrun .*?)(?:  |$)", shown, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        assert parses(example)


@pytest.mark.parametrize("asked", [["help"], ["help", "run"], ["help", "runtimes", "show"]])
def test_help_is_a_word_too(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(asked) == 0
    shown = capsys.readouterr().out
    assert __main__.main([*asked[1:], "--help"]) == 0
    assert shown == capsys.readouterr().out != ""


@pytest.mark.parametrize("word", [*synonyms.HINTS, "LS"])
def test_verbs_of_other_tools_are_answered_with_kfruns_own(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main([word, "x"]) == 2
    error, hint, *rest = capsys.readouterr().err.splitlines()
    assert error == f'error: there is no verb "{word}"'
    assert hint == f"hint: {synonyms.HINTS[word.lower()]}"
    assert rest == []


def test_no_synonym_is_a_verb() -> None:
    assert not set(synonyms.HINTS) & set(main.COMMANDS)


@pytest.mark.parametrize(
    ("typed", "said"),
    [(["env", "ls"], 'did you mean "list"?'), (["env", "rm"], 'did you mean "prune"?'),
     (["runtimes", "shwo"], 'did you mean "show"?'), (["config", "x"], "there are view"), (["rnu"], "did you mean")],
)  # fmt: skip
def test_a_misspelt_verb_gets_a_suggestion(typed: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(typed) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed",
    [
        ["-n", "team", "config", "view"], ["-nteam", "get", "trainjobs"], ["--namespace", "team", "get", "trainjobs"],
        ["--namespace=team", "get", "trainjobs"], ["-n", "team", "runtimes", "list"],
    ],
)  # fmt: skip
def test_the_namespace_may_stand_before_the_verb(kfrun: Kfrun, typed: list[str]) -> None:
    done = kfrun(*typed)
    if typed[-2] == "config":
        assert (done.returncode, "No such option" in done.stderr) == (2, True)
        return
    assert done.returncode == 0
    if "get" in typed:
        assert "in team namespace" in done.stderr + done.stdout


# What kfrun tells people to type

_NAMED = re.compile(r"kfrun ((?:-n \S+ )?[a-z][a-z-]*\b[^;:,()\"`]*)")
_PLACEHOLDER = "x"


def named() -> Iterator[tuple[str, str]]:
    """Where a text names a command, and the text from its verb on; what is put in at run time is a name."""
    for path in sorted((ROOT / "kfrun").rglob("*.py")):
        docstrings = set()
        if path.name == "shells.py":
            # Programs of shells, in which words are no sentences.
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                docstrings.add(node.value)
        parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if node in docstrings or node in parts:
                continue
            text = literal(node)
            for found in _NAMED.findall(text) if text else ():
                yield f"{path.relative_to(ROOT)}:{node.lineno}", found


def literal(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) or _PLACEHOLDER for part in node.values)
    return None


def parses(line: str) -> bool:
    """Whether words of the line, from the first on, are a command line with all its options."""
    try:
        words = shlex.split(line.removeprefix("kfrun "))
    except ValueError:
        words = line.removeprefix("kfrun ").split()
    least = max((at + 1 for at, word in enumerate(words) if word.startswith("-")), default=1)
    # An option that is only named has no value.
    return any(is_command([*words[:end], *more]) for end in range(least, len(words) + 1) for more in ([], ["x"]))


def is_command(words: list[str]) -> bool:
    command: click.Command = main.cli
    words = main._verb_first(words)
    while isinstance(command, click.Group):
        name, *rest = words or [""]
        found = command.get_command(click.Context(command), name)
        if found is None:
            return not words and getattr(command, "invoke_without_command", False)
        command, words = found, rest
    try:
        command.make_context("x", words)
    except (click.exceptions.Exit, click.MissingParameter):
        # A verb that is only named.
        return True
    except (click.ClickException, KfrunError):
        return False
    return True


PROSE = frozenset(
    (
        *("again", "as", "at", "brings", "builds", "can", "cannot", "command", "could", "described", "does", "has"),
        *("is", "itself", "knows", "makes", "meanwhile", "needs", "of", "reads", "renders", "runs", "that", "the"),
        *("was", "with", "would", "wrote"),
    )
)
"""What comes behind the name of the program in a sentence about it."""


def test_every_command_that_kfrun_names_can_be_typed() -> None:
    found = [(place, line) for place, line in named() if line.split()[0] not in PROSE | {_PLACEHOLDER}]
    assert len(found) > 60
    wrong = [item for item in found if not parses(item[1])]
    assert not wrong, "\n".join(map(str, wrong))


def test_a_command_that_cannot_be_typed_is_noticed() -> None:
    assert not parses("kfrun fetch job")
    assert not parses("kfrun get trainjobs --colour red")
    assert parses("kfrun wait trainjob/x -n y --for=delete")


# Where nothing is named


@pytest.mark.parametrize("verb", ["get", "logs", "describe", "wait"])
def test_without_a_name_it_is_about_the_latest_job(kfrun: Kfrun, verb: str) -> None:
    none = kfrun(verb)
    if verb == "get":
        assert (none.returncode, none.stdout + none.stderr) == (0, "No resources found in default namespace.\n")
    else:
        assert none.returncode == 1
        assert "there is none in namespace default" in none.stderr
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("zeta", "echo zeta"))
    kfrun.ok("apply", "-q", "--wait", "-n", "team", "-f", kfrun.job("later", "echo later"))
    assert kfrun(verb).stderr == ""
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("alpha", "echo alpha"))
    done = kfrun(verb)
    assert done.returncode == 0
    assert "alpha" in done.stdout
    assert (done.stderr == "no job is named: this is about alpha, the latest of 2\n") is (verb != "get")
    assert "later" not in done.stdout
