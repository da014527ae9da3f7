"""Scripts without a manifest: one is made, and checked as if it had been written.

A job of a script is called after its folder, so two scripts may ask for one name: nobody takes another's job.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun import masking
from kfrun.errors import InvalidInput, Refused, Unavailable, UsageProblem
from kfrun.flow import documents as loading
from kfrun.flow import givensecrets, plans
from kfrun.load import folders as listing
from kfrun.load import kubeyaml, script, sources
from kfrun.load.script import manifest, surroundings
from kfrun.model.requirements import ANNOTATION
from kfrun.model.values import NamedTuple, replace
from kfrun.patterns import pattern
from kfrun.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.flow.plans import Ready
    from kfrun.model.script import ScriptCall, ScriptSummary
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.state import Observed, ObservedJob
    from kfrun.model.wishes import Wishes
    from kfrun.settings import Settings

SOURCE = "<made manifest>"
"""What a manifest is called in findings that is in no file."""

_NAME = pattern(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


class Made(NamedTuple):
    """A manifest that was made.

    Attributes:
        shown: its text without anything secret.
    """

    call: ScriptCall
    facts: ScriptSummary
    text: str
    shown: str
    warnings: tuple[Finding, ...] = ()


def make(wishes: Wishes, settings: Settings, *, explained: bool = False) -> Made:
    """Make the manifest of the script that the wishes name, seen from the current folder.

    Args:
        wishes: with a script, and with nothing that is only for manifests.
        settings: say in which namespace it is to run.
        explained: with a comment at everything that somebody may want to change.

    Raises:
        InvalidInput, NotFound, Refused, Unavailable, UsageProblem: see `kfrun.load.script.read`.
    """
    call = wishes.script
    assert call is not None
    _require_sensible(call, wishes)
    here = os.getcwd()
    call = script.meant(call, here)
    found = script.read(call, here, is_thorough=explained)
    facts = found.facts
    if explained and found.modules:
        from kfrun.load.script import interface

        library, parameters = interface.of(found.modules)
        facts = facts._replace(interface=library, parameters=parameters)
    folder = _folder(call, here)
    namespace = settings.namespace if settings.origins["namespace"].layer == "flag" else ""

    def text(facts: ScriptSummary) -> str:
        return manifest.text(facts, call, folder=folder, namespace=namespace, explained=explained)

    return Made(call, facts, text(facts), text(facts._replace(args=tuple(masking.words(facts.args)))), found.warnings)


def plan(
    made: Made,
    wishes: Wishes,
    settings: Settings,
    observe: Callable[[Sequence[ObjectKey]], Observed],
    *,
    warn: Callable[[Sequence[Finding]], None] = lambda _: None,
) -> Ready:
    """The plan to run a script, as `kfrun.flow.plans.make` plans manifests.

    Raises:
        InvalidInput: the manifest is refused. What cannot be done in the present state is in the plan's refusals.
        Refused: a job of its name is another script's.
    """
    if made.call.save:
        require_writable(made.call.save, made.text)
    if made.warnings:
        warn(made.warnings)
    secrets = givensecrets.read(wishes.secret_env_files, warn)
    read = [loading.in_namespace(one, settings.namespace) for one in documents(made)]
    observed = observe([document.key for document in read])
    complete = plans.completion(observed, settings, of_all=False)
    try:
        ready = plans.of(read, observed, wishes.to_run(), settings, complete=complete, secrets=secrets)
    except InvalidInput as refusal:
        raise InvalidInput([_with_way_out(one, made) for one in refusal.findings]) from refusal
    require_own(ready, made)
    if ready.desired.warnings:
        warn(ready.desired.warnings)
    refusals = tuple(_with_way_out(one, made) for one in ready.plan.refusals)
    return ready._replace(plan=replace(ready.plan, refusals=refusals))


def _with_way_out(refusal: Finding, made: Made) -> Finding:
    """What only a script's caller can do: run another job beside one that has not ended, or with other packages."""
    if refusal.path[-1:] == (ANNOTATION,):
        way = "--requirements names another file, --requirements none runs it in the Python that is there"
        return replace(refusal, hint=f"{refusal.hint}; {way}" if refusal.hint else way)
    if refusal.code == "KF205" and refusal.path == ("spec", "trainer", "args"):
        way = (
            "have a shell find files: kfrun run -- sh -c 'exec python train.py data/*'; or give the script their folder"
        )
        return replace(refusal, hint=way)
    if refusal.code != "KF502":
        return refusal
    return replace(refusal, hint=f"{refusal.hint}, --name {_other(made.facts.title)} starts another one beside it")


def documents(made: Made) -> list[Document]:
    """The manifest as if it had been read from the file that it is going to be written to."""
    found, findings = kubeyaml.parse(made.text, made.call.save or SOURCE, folder=_folder(made.call, made.facts.folder))
    if findings:
        raise InvalidInput(findings)
    return [sources.with_requirements(document) for document in found]


def _folder(call: ScriptCall, here: str) -> str:
    """Where the manifest lies, or would."""
    return os.path.normpath(os.path.dirname(os.path.join(here, call.save))) if call.save else here


def _require_sensible(call: ScriptCall, wishes: Wishes) -> None:
    first = quoted(call.words[0]) if call.words else "train.py"
    if wishes.filenames:
        way = "give one of them; words for the job of a manifest stand behind --"
        raise UsageProblem(f"-f names a manifest, and {first} is a script", way)
    if any(wishes.values) or wishes.arguments or wishes.recursive or wishes.exclude or wishes.skip_other_kinds:
        flag = "-R" if wishes.recursive else "--arg" if wishes.arguments else "--values"
        flag = "--exclude" if wishes.exclude else "--skip-other-kinds" if wishes.skip_other_kinds else flag
        flag = "--set" if wishes.values.texts or wishes.values.strings else flag
        way = f"arguments stand behind the script; kfrun init {first} writes a manifest, in which anything can be set"
        raise UsageProblem(f"{flag} is for manifests, and {first} is a script", way)
    if call.name is not None and not _NAME.fullmatch(call.name):
        way = surroundings.slug(call.name)
        raise UsageProblem(
            f"--name {quoted(call.name)} is no name of a job: lower-case letters, digits and -, a letter first",
            f"write --name {way[:40].rstrip('-')}" if way else None,
        )


def require_own(ready: Ready, made: Made) -> None:
    """Refuse to take the job of another script.

    Raises:
        Refused: with another name.
    """
    (job,) = ready.plan.jobs or (None,)
    stored = ready.observed.jobs.get(job.resolution.trainjob) if job is not None else None
    if job is None or stored is None:
        return
    facts, (folder, theirs) = made.facts, _origin(stored)
    ours: list[str] = job.resolution.job.data["spec"]["trainer"]["command"]
    if _is_of(facts, folder, theirs, ours):
        return
    name = stored.key.name
    is_elsewhere = folder not in ("", facts.folder)
    said = " ".join(masking.words(theirs)) or "what its runtime says"
    what = f"is of another folder, {folder}," if is_elsewhere else f"runs {said},"
    this = facts.folder if is_elsewhere else " ".join(masking.words(ours))
    raise Refused(
        f"trainjob {name} {what} and this is {this}",
        f"kfrun run --name {_other(name)} gives this one a name of its own; kfrun delete {name} removes the other one "
        "with its logs",
    )


def before(ready: Ready, made: Made) -> str:
    """The folder that the script's job ran in before, where that is another one."""
    (job,) = ready.plan.jobs or (None,)
    stored = ready.observed.jobs.get(job.resolution.trainjob) if job is not None else None
    folder = _origin(stored)[0] if stored is not None else ""
    return "" if folder == made.facts.folder else folder


def _is_of(facts: ScriptSummary, folder: str, theirs: Sequence[str], ours: Sequence[str]) -> bool:
    """Whether a stored job, of a folder and with a command, is that of a script; whatever runs it, and from where."""
    # what names no script is known by its program alone
    last, own = (theirs[-1:], ours[-1]) if facts.path else (theirs[:1], ours[0])
    is_alike = [os.path.normpath(word) for word in last] == [os.path.normpath(own)]
    if not folder or not os.path.isdir(folder):  # nobody wrote it down, or the folder was moved
        return is_alike
    if not facts.path:
        return is_alike and folder == facts.folder
    paths = (path for word in last for path in (word, f"{word.replace('.', '/')}.py", f"{word}/__main__.py"))
    own_path = os.path.realpath(facts.path)
    return any(os.path.realpath(os.path.join(folder, path)) == own_path for path in paths)


def _other(name: str) -> str:
    return f"{name[:60].rstrip('-')}-2"


def _origin(stored: ObservedJob) -> tuple[str, list[str]]:
    """The folder that a stored job runs in, empty where nobody knows, and its command."""
    data = stored.data
    annotations = data.get("metadata", {}).get("annotations") or {}
    base = stored.code.folder if stored.code else ""
    source = annotations.get("kfrun.dev/source", "")
    trainer = data.get("spec", {}).get("trainer") or {}
    return os.path.normpath(os.path.join(base, source)) if base else "", list(trainer.get("command") or ())


def likely(folders: Sequence[str]) -> str:
    """The script that is meant where none is named: the likely one of a folder, the current one by default.

    Raises:
        UsageProblem: nobody can tell.
    """
    if len(folders) > 1 or (folders and not os.path.isdir(folders[0])):
        first = next((name for name in folders if not os.path.isdir(name)), folders[0])
        what = "a folder" if os.path.isdir(first) else "a manifest already"
        raise UsageProblem(f"{first} is {what}", "name a script: kfrun init train.py")
    folder = folders[0] if folders else "."
    found = listing.scripts(folder)
    usual = surroundings.LIKELY
    names = sorted((name for name in found if name in usual), key=usual.index) or found
    if not names:
        raise UsageProblem(
            f"there is no Python script in {'this folder' if folder == '.' else folder}",
            "name one: kfrun init train.py; kfrun init --example copies one of kfrun's own",
        )
    if len(names) > 1 and names[0] not in usual:
        raise UsageProblem(
            f"there are several scripts: {', '.join(names[:8])}", f"name one: kfrun init {quoted(names[0])}"
        )
    return names[0] if folder == "." else os.path.join(folder, names[0])


def require_writable(path: str, text: str, way: str = "write to another file, or remove it") -> None:
    """Refuse to write over a file that says something else.

    Raises:
        UsageProblem: it is there, or its folder is not.
    """
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise UsageProblem(f"there is no folder {folder} to write {path} to", f"mkdir -p {quoted(folder)} makes it")
    if os.path.isdir(path):
        raise UsageProblem(f"{path} is a folder", "name a file in it")
    if path.endswith(".j2"):
        raise UsageProblem(f"{path} would be a template, and a manifest of a script is none", "let it end in .yaml")
    if os.path.lexists(path) and _content(path) != text:
        raise UsageProblem(f"{path} is there already, and says something else", way)


def write(path: str, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        Unavailable: it cannot be written.
    """
    import tempfile

    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path) or ".")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(part, 0o666 & ~mask)
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error


def _content(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return None
