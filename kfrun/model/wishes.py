"""What a caller wants: one record from the door to the plan. Made by the doors, kept in saved plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.model.script import ScriptCall


class Values(NamedTuple):
    """What templates are to be rendered with, as the caller says it.

    Attributes:
        files: YAML files of values.
        texts: ``path=value``, whose values are read as YAML.
        strings: ``path=text``, always texts.
    """

    files: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()


_SETTINGS = ("namespace", "trainer_version", "backend", "strict", "exclude", "runtime_sources", "refresh")


class Wishes(NamedTuple):
    """The flags of ``plan``, ``apply`` and ``run``. Settings that are None were not given.

    Attributes:
        filenames: files, folders, globs, URLs, or ``-``.
        recursive: descend into the folders of a folder.
        runtime_sources: of runtimes, beside those of the settings, None for none; ``refresh`` asks them again.
        exclude: what is left out of folders beside what the settings say, None for nothing.
        skip_other_kinds: pass over objects of other kinds, and what is no object.
        script: what is run instead of manifests.
        arguments: words for the command line of the job, in the place of what sets the same, else behind it.
        cluster_defaults: retry a failed pod as often as a cluster would.
        replace: a finished job that was changed may be replaced.
        create: every object has to be new; names are made of ``generateName``.
        rerun: start every job now: a finished one is replaced, a running one refused.
        transient: only jobs are recorded: a runtime of the input is kept with the run that it was for.
        force: as ``replace``; a job that has not finished is stopped first where it cannot be changed as it runs.
        apply_set: name of the set that the input is applied as, empty for none.
        prune: delete what was in the set and left the input.
        python: the interpreter for jobs that ask for no version of their own.
        clean_env: keep the caller's variables from the job.
        keep_environment: keep an isolated Python environment after the job's end.
        secret_env_files: ``NAME=FILE``, Secrets for the jobs of this call alone.
    """

    filenames: tuple[str, ...] = ()
    recursive: bool = False
    exclude: tuple[str, ...] | None = None
    skip_other_kinds: bool = False
    values: Values = Values()
    script: ScriptCall | None = None
    arguments: tuple[str, ...] = ()
    namespace: str | None = None
    trainer_version: str | None = None
    backend: str | None = None
    runtime_sources: tuple[str, ...] | None = None
    refresh: bool | None = None
    strict: bool | None = None
    cluster_defaults: bool = False
    replace: bool = False
    create: bool = False
    rerun: bool = False
    transient: bool = False
    force: bool = False
    apply_set: str = ""
    prune: bool = False
    python: str | None = None
    clean_env: bool = False
    keep_environment: bool = False
    secret_env_files: tuple[str, ...] = ()

    def to_run(self) -> Wishes:
        """For whoever runs the jobs now and wants nothing else left behind."""
        return self._replace(rerun=True, transient=True)

    @property
    def settings(self) -> dict[str, str | bool | tuple[str, ...] | None]:
        """Those that are settings, too, by key."""
        return {name: getattr(self, name) for name in _SETTINGS}


class Caller(NamedTuple):
    """Whoever asks: the environment, and the folder that is the current one (for manifests from stdin)."""

    environ: Mapping[str, str]
    folder: str
