"""``kfrun convert``: rewrites older TrainJobs and the jobs of kubeflow.org/v1."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kfrun.cli import exits, options
from kfrun.errors import InvalidInput
from kfrun.flow import documents
from kfrun.load import sources
from kfrun.model.kinds import LEGACY_JOBS, is_own
from kfrun.report import yamljson

if TYPE_CHECKING:
    from kfrun.model.wishes import Wishes


@options.verb("convert")
@options.wishes(options.files, options.values)
@options.output("yaml", "json", default="yaml")
def command(wishes: Wishes, output: str) -> int:
    """Rewrite older manifests in today's spelling.

    TrainJobs and runtimes of Trainer v2.0 and v2.1, and PyTorchJob, MPIJob, JAXJob and XGBoostJob of kubeflow.org/v1.
    What does not map is named on standard error. Comments of the input are not kept. Exit code 1 when an object could
    not be converted, while the others are written, and when what is written is refused by kfrun validate.
    """
    from kfrun.flow import conversions

    settings = options.load_settings(**wishes.settings)
    values = documents.read_values(wishes.values)
    found = sources.load(
        wishes.filenames,
        recursive=wishes.recursive,
        stdin=sys.stdin.buffer,
        values=values,
        exclusion=documents.exclusion(settings),
        only_objects=wishes.skip_other_kinds,
    )
    if wishes.skip_other_kinds:
        found = documents.of_kinds(found, lambda key: is_own(key) or key.kind in LEGACY_JOBS)
    if values is not None:
        values.require_used()
    converted = conversions.convert(found, settings)
    if not converted.objects:
        raise InvalidInput(converted.notes)
    write = yamljson.to_yaml if output == "yaml" else yamljson.to_json
    options.data(write(converted.objects))
    if converted.notes:
        from kfrun.report.findings import to_text

        options.write(to_text(converted.notes, color=options.colors_stderr(settings)), err=True, styled=True)
    return exits.REFUSED if converted.refused else exits.SUCCESS
