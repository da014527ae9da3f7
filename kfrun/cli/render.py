"""``kfrun render``: prints the objects that the Trainer controller would create for a TrainJob."""

from __future__ import annotations

import click

from kfrun.cli import inputs, options


@click.command("render")
@options.files
@options.namespace
@options.trainer_version
@options.output("yaml", "json", default="yaml")
def command(
    filenames: tuple[str, ...], recursive: bool, namespace: str | None, trainer_version: str | None, output: str
) -> int:
    """Print the objects that the Trainer controller would create.

    The JobSet of every TrainJob, and the ConfigMaps and Secrets beside it, exactly as they would be applied.
    """
    from kfrun.report import yamljson

    settings = options.load_settings(namespace=namespace, trainer_version=trainer_version)
    documents = inputs.read(filenames, recursive=recursive, settings=settings)
    checked = inputs.check(documents, inputs.look_up(documents, settings), settings=settings)
    inputs.require_sound(checked.findings)
    objects = [
        item
        for resolution in checked.resolutions
        for item in (*resolution.objects, resolution.jobset)
        if item is not None
    ]
    options.write(yamljson.to_yaml(objects) if output == "yaml" else yamljson.to_json(objects))
    return 0
