"""Makes the pages of docs/reference that say what the code says: verbs, findings, settings, support.

    python docs/generate.py            # write the pages
    python docs/generate.py --check    # exit 1 when they differ from what would be written

A test runs the check, so a new option or code is a new line here, too.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kfrun import settings
from kfrun.cli import exits, main
from kfrun.flow import codes as remedies
from kfrun.plan import hangs, support
from kfrun.plan.support import matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "docs" / "reference"
NOTE = "<!-- Made by docs/generate.py; change the code or the script, not this page. -->\n"

FINDINGS = """\
Every finding names file, line and column, the field, what stands there and what is allowed. A code keeps its meaning
from version to version. Findings are errors, which refuse the input with exit code 1, or warnings, which do not.
`kfrun explain CODE` tells what is said here, and the usual cause, an example of wrong and right, and the source.
"""
SETTINGS = """\
A flag wins over a variable, a variable over the project's `kfrun.toml` (the nearest one from the current folder
upward), that over `$XDG_CONFIG_HOME/kfrun/config.toml`, and that over the default. `kfrun config view --origin` shows
what is in force and where it comes from. A relative folder in a file is relative to that file.
"""
SUPPORT = """\
What each backend does with the fields of a JobSet, its Jobs, pods and containers: `yes`, it is honoured as on a
cluster; `no effect`, nothing would be different; `no`, with the reason. Everything below a field goes with it. A plan
counts those of a job that are not honoured, in one line; `kfrun explain not-enforced` tells what is said here, with
`-f FILE` of a manifest; `--strict` refuses the job. `process` runs containers as processes of this machine; in `memory`
jobs run without processes, for tests.
"""
HANGS = """\
A cluster can take a TrainJob and then do nothing with it: no condition says so, at most an event. Where kfrun goes on
all the same, it says what a cluster would do: as a warning of `plan`, `apply`, `create`, `run` and `rerun` (KF509, or
the finding of a stage that would refuse what comes of the job), in `resume`, and when the moment comes as an event
`ClusterWouldHang` of the TrainJob. This is every such case that is known.
"""
STAGES = {
    "1": ("Load", "The text is not what kubectl would read, or no object."),
    "2": ("Structure", "A field, a type or a value that the schema of the kind does not allow."),
    "3": ("Rules", "What a cluster's admission refuses beyond the structure, and what cannot change afterwards."),
    "4": ("Resolve", "The TrainJob and its runtime do not fit together, or cannot run as asked."),
    "5": ("Plan", "The input is sound, and the present state or the backend stands against it."),
    "6": ("Execute", "This machine lacks something that the job needs."),
    "7": ("Lint", "A cluster accepts it, and a team would rather not have it; `kfrun lint` looks for it."),
}
"""First digit of a code -> the stage that finds it."""


def pages() -> dict[str, str]:
    """Name -> content of every page that is made."""
    return {
        "verbs.md": _verbs(),
        "findings.md": _findings(),
        "settings.md": _settings(),
        "support.md": _support(),
        "hangs.md": _hangs(),
    }


def codes() -> dict[str, str]:
    """Every finding's code and meaning, from the tables named CODES."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "kfrun").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == "CODES" for target in targets):
                table = ast.literal_eval(node.value)  # type: ignore[attr-defined]
                double = set(table) & set(found)
                if double:
                    raise SystemExit(f"{path}: {sorted(double)} have another meaning elsewhere")
                found.update(table)
    return dict(sorted(found.items()))


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every verb and its sub-verbs, by full name, in the order of ``--help``."""
    for verb in main.COMMANDS:
        command = main.cli.get_command(click.Context(main.cli), verb)
        assert command is not None
        yield verb, command
        if isinstance(command, click.Group):
            yield from ((f"{verb} {name}", item) for name, item in command.commands.items())


def _verbs() -> str:
    parts = [
        "# Verbs\n",
        NOTE,
        "kubectl's grammar: `kfrun VERB [KIND] [NAME] [flags]`. `-h` and `--help` work everywhere.",
        "Switches take `=true` and `=false`, as kubectl's do: `--wait=false`, `-w=false`.\n",
    ]
    for name, command in commands():
        parts += [f"## kfrun {name}\n", _usage(name, command), _text(command.help or ""), _options(command)]
    parts += ["## Exit codes\n", _table(("code", "meaning"), exits.TABLE)]
    return "\n".join(part for part in parts if part)


def _usage(name: str, command: click.Command) -> str:
    pieces = command.collect_usage_pieces(click.Context(command, info_name=name))
    return f"```text\nkfrun {name} {' '.join(pieces)}\n```\n"


def _text(help_text: str) -> str:
    """The help with its paragraphs; what is marked to keep its lines becomes a block."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", help_text.strip()):
        if "\b" in paragraph:
            lines = [line.strip() for line in paragraph.replace("\b", "").splitlines()]
            paragraphs.append("```text\n" + "\n".join(filter(None, lines)) + "\n```\n")
        else:
            paragraphs.append(_escaped(" ".join(paragraph.split())) + "\n")
    return "\n".join(paragraphs)


def _options(command: click.Command) -> str:
    rows = []
    for parameter in command.params:
        if not isinstance(parameter, click.Option) or parameter.hidden:
            continue
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        value = "" if parameter.is_flag else f" `{_metavar(parameter)}`"
        text = parameter.help or ""
        if parameter.show_default and isinstance(parameter.default, str):
            text += f" Default: `{parameter.default}`."
        rows.append((names + value, _escaped(text) + (" Required." if parameter.required else "")))
    return _table(("flag", "meaning"), rows) if rows else ""


def _metavar(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    kind = option.type
    return r"\|".join(kind.choices) if isinstance(kind, click.Choice) else option.name.upper()  # type: ignore[union-attr]


def _findings() -> str:
    parts = ["# Finding codes\n", NOTE, FINDINGS]
    known, reasons = codes(), remedies.reasons()
    header = ("code", "meaning", "why it is a problem", "how to mend it")
    for digit, (stage, meaning) in STAGES.items():
        rows = [
            (code, *map(_escaped, (text, reasons[code].why, reasons[code].mend)))
            for code, text in known.items()
            if code[2] == digit
        ]
        parts += [f"## {stage}\n", f"{meaning}\n", _table(header, rows)]
    return "\n".join(parts)


def _settings() -> str:
    meanings = _attributes(settings.Settings.__doc__ or "")
    defaults = {
        "home": "none",
        "state_dir": "`$XDG_STATE_HOME/kfrun` (`~/.local/state/kfrun`)",
        "cache_dir": "`$XDG_CACHE_HOME/kfrun` (`~/.cache/kfrun`)",
        "logs_max_size": "none",
    }
    rows = []
    for place, name, key in settings.places():
        default = settings.Settings._field_defaults.get(key)
        shown = defaults.get(key) or f"`{str(default).lower() if isinstance(default, bool) else default}`"
        rows.append(
            (f"`[{place}] {name}`" if place else f"`{name}`", f"`KFRUN_{key.upper()}`", _escaped(meanings[key]), shown)
        )
    table = _table(("key", "variable", "meaning", "default"), rows)
    return f"# Settings\n\n{NOTE}\n{SETTINGS}\n{table}"


def _support() -> str:
    """The matrix of fields and backends, a table a type, and what else a backend has none of."""
    backends = [support.of(name) for name in support.BACKENDS]
    parts = ["# Support\n", NOTE, SUPPORT]
    for type_name, found in groupby(matrix.rows(), lambda row: row.type):
        rows = [(f"`{row.field}`", *map(_escaped, row.meanings.values())) for row in found]
        parts += [f"## {type_name}\n", _table(("field", *support.BACKENDS), rows)]
    for title, reasons in (
        ("ML policies", [item.policies for item in backends]),
        ("Operations", [item.refusals for item in backends]),
    ):
        names = sorted({name for item in reasons for name in item})
        rows = [
            (f"`{name}`", *(_escaped(f"no: {item[name]}") if name in item else "yes" for item in reasons))
            for name in names
        ]
        parts += [f"## {title}\n", _table(("name", *support.BACKENDS), rows)]
    return "\n".join(parts)


def _hangs() -> str:
    rows = [
        (_escaped(_sentence(item.condition)), _escaped(item.cluster), _escaped(item.here), _told_by(item), item.source)
        for item in hangs.CASES
    ]
    header = ("case", "a cluster", "kfrun", "told by", "source upstream")
    return f"# Where a cluster hangs\n\n{NOTE}\n{HANGS}\n{_table(header, rows)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _told_by(item: hangs.HangCase) -> str:
    return ", ".join(sorted(item.codes)) or "KF509"


def _attributes(docstring: str) -> dict[str, str]:
    """The ``Attributes:`` of a docstring."""
    lines = docstring.partition("Attributes:")[2].strip("\n")
    return {match[1]: " ".join(match[2].split()) for match in re.finditer(r"^ +(\w+): (.+)$", lines, re.MULTILINE)}


def _table(header: tuple[str, ...], rows: tuple[tuple[str, ...], ...] | list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"


def _escaped(text: str) -> str:
    """Text that Markdown would take for something else."""
    return re.sub(r"(?<!`)([|<>*])", r"\\\1", text.replace("``", "`"))


def run(arguments: list[str]) -> int:
    """Write or check the pages. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when pages differ")
    check = parser.parse_args(arguments).check
    stale = []
    for name, content in pages().items():
        path = HERE / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(path.relative_to(ROOT).as_posix())
        if not check:
            path.write_text(content, encoding="utf-8")
    for name in stale:
        print(f"{name} {'is out of date' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
