"""A plain command line means what click would make of it; everything else is click's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfrun.__main__ import main
from kfrun.cli.check import plain
from kfrun.cli.main import cli, run
from kfrun.cli.verbs import validate

JOB = Path(__file__).parents[3] / "examples" / "failing" / "job.yaml"
WORDS = [
    "-f",
    "--filename",
    "--no-cache",
    "-",
    "--",
    "a.yaml",
    "b",
    "",
    "-R",
    "-fa",
    "--filename=a",
    "-n",
    "--help",
    "=",
]


def of_click(words: list[str]) -> dict:
    """The parameters that click makes of the words behind the verb."""
    with cli.make_context("kfrun", ["validate", *words]) as context:
        return validate.command.make_context("validate", words, parent=context).params


UNASKED = {name: value for name, value in of_click(["x"]).items() if name not in plain.Plain._fields}


@given(st.lists(st.sampled_from(WORDS), max_size=6))
def test_what_is_plain_click_reads_the_same(words):
    found = plain.read(["validate", *words])
    if found is not None:
        assert of_click(words) == {**UNASKED, **found._asdict()}


@pytest.mark.parametrize("line", ["a.yaml", "-f a.yaml", "--filename - b --no-cache", "-f a -f b c d"])
def test_files_are_plain(line):
    assert plain.read(["validate", *line.split()]) is not None


@pytest.mark.parametrize(
    "line",
    ["", "validate", "validate -f", "validate -f -x", "validate a -R", "validate --help", "validate -n x a",
     "validate -- a", "validate a -o json", "validate a --until schema", "plan -f a", "-v", "validate -fa"],
)  # fmt: skip
def test_what_is_for_click_is_left_to_it(line):
    assert plain.read(line.split()) is None


def test_completion_is_left_to_click(monkeypatch):
    monkeypatch.setenv("_KFRUN_COMPLETE", "kfrun validate ")
    assert plain.read(["validate", "a"]) is None


@pytest.mark.parametrize("words", [[str(JOB)], ["-f", str(JOB)], ["missing.yaml"], [str(JOB), str(JOB)], ["-", "-"]])
def test_both_ways_say_the_same(words, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KFRUN_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    assert plain.read(["validate", *words]) is not None
    code, plainly = main(["validate", *words]), capsys.readouterr()
    assert (code, plainly) == (run(["validate", *words]), capsys.readouterr())
