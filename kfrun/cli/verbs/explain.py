"""``kfrun explain``: tells what a field or a finding's code means, without a cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import options
from kfrun.errors import NotFound, UsageProblem
from kfrun.plan.support.matrix import TOPIC
from kfrun.report import explain
from kfrun.settings import BACKENDS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Paths one level deep, and codes. No settings are read: a completion must not fail."""
    from click.shell_completion import CompletionItem

    from kfrun.flow import codes
    from kfrun.validate.advice import fieldpaths
    from kfrun.validate.schema import schemas

    if incomplete.upper().startswith("KF"):
        return [
            CompletionItem(code, help=meaning)
            for code, meaning in codes.tables().items()
            if code.startswith(incomplete.upper())
        ]
    topic = [CompletionItem(TOPIC)] if incomplete and TOPIC.startswith(incomplete) else []
    return topic + [
        CompletionItem(path) for path in fieldpaths.completions(incomplete, version=schemas.DEFAULT_VERSION)
    ]


@options.verb("explain")
@click.argument("topic", required=False, metavar="[KIND[.FIELD...]|CODE|not-enforced]", shell_complete=_complete)
@click.option("-R", "--recursive", is_flag=True, help="Show the fields below the fields, too.")
@click.option(
    "-f", "--filename", "filenames", multiple=True, metavar="FILE", shell_complete=options.complete("files"),
    help="With not-enforced: only the fields of these manifests, each where it is written.",
)  # fmt: skip
@click.option(
    "--backend", type=click.Choice(BACKENDS), help="With not-enforced: of this backend; otherwise of each, or with -f "
    "of the one that is set.",
)  # fmt: skip
@options.trainer_version
@options.output("text", "json", default="text")
def command(
    topic: str | None,
    recursive: bool,
    filenames: tuple[str, ...],
    backend: str | None,
    trainer_version: str | None,
    output: str,
) -> int:
    """Tell what a field or a finding's code means.

    KIND is trainjob (tj), runtime, clustertrainingruntime (ctr), trainingruntime (tr), and what a runtime holds in its
    template: jobset (js), job, pod (po).

    \b
    kfrun explain trainjob.spec.trainer    a field: type, default, bounds, example
    kfrun explain KF203                    a code: what a cluster does, cause, how to mend it, example, source
    kfrun explain not-enforced             fields that a backend does not honour, and why not
    kfrun explain                          the kinds and all codes
    """  # noqa: D301 - click looks for the backspace itself
    if topic != TOPIC and (filenames or backend):
        raise UsageProblem("-f and --backend go with not-enforced", f"kfrun explain {TOPIC}")
    if topic == TOPIC:
        from kfrun.cli.check import enforcement

        options.write(enforcement.explained(filenames, backend, trainer_version, output), styled=True)
    elif topic is None:
        options.write(_overview(output))
    elif re.fullmatch(r"(?i)KF\d+", topic):
        options.write(_code(topic.upper(), output))
    else:
        settings = options.load_settings(trainer_version=trainer_version)
        options.write(_field(topic, settings.trainer_version, output, recursive=recursive))
    return 0


def _overview(output: str) -> str:
    from kfrun.flow import codes
    from kfrun.validate.advice.fieldpaths import KINDS

    meanings = codes.tables()
    if output == "json":
        return explain.to_json({"kinds": list(KINDS), "codes": meanings})
    lines = ["KINDS:", *(f"  {kind.lower()}" for kind in KINDS)]
    lines += ["", "WHAT BACKENDS DO NOT HONOUR:", f"  {TOPIC}"]
    lines += ["", "CODES:", *(f"  {code}  {meaning}" for code, meaning in meanings.items())]
    return "\n".join(lines) + "\n"


def _code(code: str, output: str) -> str:
    from difflib import get_close_matches

    from kfrun.flow import codes

    meanings = codes.tables()
    if code not in meanings:
        near = [one for one in meanings if one.startswith(code)][:5] or get_close_matches(code, meanings, n=3)
        hint = f"near it: {', '.join(near)}; " if near else ""
        raise NotFound(f"there is no code {code}", f"{hint}kfrun explain lists all codes")
    reason, stage = codes.reasons()[code], codes.stage(code)
    found = explain.Code(
        code, meanings[code], stage.by, reason.cause, reason.mend, reason.why, reason.wrong, reason.right,
        reason.source, stage.documentation,
    )  # fmt: skip
    return explain.to_json(found._asdict()) if output == "json" else explain.code_text(found)


def _field(topic: str, version: str, output: str, *, recursive: bool) -> str:
    from kfrun.validate.advice import fieldpaths

    info = fieldpaths.find(topic, version=version, recursive=recursive)
    if output == "json":
        data: dict[str, Any] = fieldpaths.as_data(info)
        return explain.to_json(data)
    return explain.field_text(info, recursive=recursive)
