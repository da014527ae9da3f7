"""``kfrun render``: prints the objects that the Trainer controller would create for a TrainJob."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import options
from kfrun.execute import choice
from kfrun.flow import desired, documents
from kfrun.flow.checker import absence, stages
from kfrun.flow.checker.stages import Asked
from kfrun.model.source import Severity
from kfrun.model.state import Observed
from kfrun.report import yamljson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document
    from kfrun.model.wishes import Wishes


@options.verb("render", with_arguments=True)
@options.wishes(
    options.files, options.values, options.arguments, options.namespace, options.trainer_version, options.runtimes
)
@options.output("yaml", "json", default="yaml")
@options.stored
@click.option("--explain", is_flag=True, help="Say of every field where it comes from.")
def command(wishes: Wishes, output: str, stored: bool, explain: bool) -> int:
    """Print the objects that the Trainer controller would create.

    The JobSet of every TrainJob, and the ConfigMaps and Secrets beside it, exactly as they would be applied. With
    --explain every field says whether the runtime, the job, a patch, a policy or a default set it, and where.
    Runtimes that were applied on this machine count with --stored only.
    """
    settings = options.load_settings(**wishes.settings)
    read: Sequence[Document] = documents.read(wishes, settings)
    observed = choice.observe(settings, [document.key for document in read]) if stored else Observed()
    read = documents.with_arguments(read, observed, wishes.arguments, settings)
    checked = stages.check(read, observed, Asked(settings, admission=None, with_keys=True))
    desired.require_sound(checked.findings if stored else absence.unasked(checked.findings))
    warnings = [one for one in checked.findings if one.severity is Severity.WARNING]
    if warnings:
        options.warn(settings)(warnings)
    options.data(_explained(checked.resolutions, output) if explain else _plain(checked.resolutions, output))
    return 0


def _plain(resolutions: Sequence[Resolution], output: str) -> str:
    objects = [item for one in resolutions for item in (*one.objects, one.jobset) if item is not None]
    return yamljson.to_yaml(objects) if output == "yaml" else yamljson.to_json(objects)


def _explained(resolutions: Sequence[Resolution], output: str) -> str:
    from kfrun.report import origins

    items = [item for one in resolutions for item in origins.explained(one)]
    if output == "json":
        return origins.to_json(items)
    from kfrun.load import kubeyaml

    text = yamljson.to_yaml([item.object for item in items])
    written, findings = kubeyaml.parse(text, "rendered")
    assert not findings, findings
    return origins.to_yaml(text, written, [item.origins for item in items])
