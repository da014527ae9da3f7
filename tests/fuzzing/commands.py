"""The verbs themselves, as a terminal runs them, on one input: exit codes of the table, and never a traceback."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kfrun import masking
from kfrun.cli import main
from kfrun.report import findings as finding_forms
from tests.fuzzing import texts
from tests.fuzzing.way import standard_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kfrun.model.source import Finding
    from tests.fuzzing.inputs import Input
    from tests.fuzzing.way import Answer

OLD: Final = "before.json"
"""What the objects were before they were made wrong."""

VERBS: Final = (
    ("validate", "-o", "json", "-f"),
    ("validate", "--skip-other-kinds", "--fail-on", "warning", "-f"),
    ("validate", "--previous", OLD, "-f"),
    ("lint", "-o", "github", "-f"),
    ("render", "--explain", "-f"),
    ("convert", "-o", "json", "-f"),
    ("plan", "-o", "json", "-f"),
    ("diff", "-f"),
)
EMPTY: Final = "{kind: Namespace, apiVersion: v1, metadata: {name: a}}"
WITHOUT_VERSION: Final = ("lint", "convert")
WITHOUT_VALUES: Final = ("convert",)
UNREAD: Final = ("yaml", "template")
"""Stages of findings that leave nothing to be checked."""

EXPECTED: Final = {"diff": (0, 1, 3)}
"""Exit codes that an input may lead to, where they are not 0 and 1: diff keeps 1 for differences."""


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str


def wrong(given: Input, answer: Answer, folder: Path) -> Iterator[str]:
    """What is wrong with the verbs' answers to an input, given what its way was."""
    path = folder / ("input.yaml.j2" if given.is_template else "input.yaml")
    path.write_bytes(given.data)
    (folder / OLD).write_text(given.before or EMPTY, encoding="utf-8")
    for verb in VERBS:
        words = [str(folder / OLD) if word == OLD else word for word in verb]
        # What is compared is what has no folder: paths begin at a file's.
        with standard_input(given.data):
            place = "-" if verb == VERBS[0] else str(path)
            done = run([*words, place, *_flags(verb[0], given, folder)], folder)
        name = " ".join(verb[:-1])
        if "Traceback" in done.stderr or "internal error" in done.stderr:
            yield f"{name} fails: {done.stderr}"
        elif done.code not in EXPECTED.get(verb[0], (0, 1)):
            yield f"{name} ends with {done.code}: {done.stderr}"
        elif verb == VERBS[0] and not _agree(json.loads(done.stdout), _shown(answer.findings)):
            yield f"{name} does not say what the functions behind it say"


def _shown(findings: Sequence[Finding]) -> dict[str, Any]:
    """As a report has them: without logins."""
    shown: dict[str, Any] = json.loads(masking.without_logins(json.dumps(finding_forms.to_json(findings))))
    return shown


def _agree(shown: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether a report says what was found; beside texts that cannot be read it says more."""
    said, found = _findings(shown), _findings(expected)
    unread = [one for one in found if one["stage"] in UNREAD]
    return [one for one in said if one["stage"] in UNREAD] == unread if unread else said == found


def run(arguments: list[str], folder: Path) -> Done:
    """Run a command line in this process; ``folder`` is its home."""
    with _surroundings(folder) as (stdout, stderr):
        code = main.run(arguments)
        stdout.flush()
        stderr.flush()
        written = [stream.buffer.getvalue().decode("utf-8") for stream in (stdout, stderr)]  # type: ignore[attr-defined]
    return Done(code, *written)


@contextmanager
def _surroundings(folder: Path) -> Iterator[tuple[TextIOWrapper, TextIOWrapper]]:
    kept = sys.stdout, sys.stderr, tempfile.tempdir, dict(os.environ)
    streams = [TextIOWrapper(BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace")]
    sys.stdout, sys.stderr = streams
    tempfile.tempdir = str(folder)
    os.environ |= {"KFRUN_HOME": str(folder / "home"), "NO_COLOR": "1"}
    try:
        yield streams[0], streams[1]
    finally:
        sys.stdout, sys.stderr, tempfile.tempdir, environment = kept
        os.environ.clear()
        os.environ.update(environment)


def _flags(verb: str, given: Input, folder: Path) -> list[str]:
    flags = [] if verb in WITHOUT_VERSION else ["--trainer-version", given.version]
    if given.is_template and verb not in WITHOUT_VALUES:
        values = folder / "values.yaml"
        values.write_text(json.dumps(texts.VALUES), encoding="utf-8")
        flags += ["--values", str(values)]
    return flags


def _findings(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings less the name of their file."""
    nameless = ("file", "position")
    return [
        {key: value for key, value in one.items() if key not in nameless and key != "message"}
        for one in json.loads(json.dumps(report["findings"]))
    ]
