"""The manifest of a script: what was read of it, and what the caller says, written as YAML. Pure."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from kfrun.errors import UsageProblem
from kfrun.model.requirements import ANNOTATION
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.script import ScriptCall, ScriptSummary

TORCH: Final = "torch-distributed"
PLAIN: Final = "plain-python"

_WIDTH: Final = 100
_PLAIN_SCALAR: Final = pattern(r"(?:--?|\./)?[A-Za-z_/][A-Za-z0-9_./-]*(?:=[A-Za-z0-9_./-]+)?")
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def text(facts: ScriptSummary, call: ScriptCall, *, folder: str, namespace: str = "", explained: bool = False) -> str:
    """The manifest.

    Args:
        facts: what was read.
        call: what the caller says.
        folder: absolute, where the manifest is to lie.
        namespace: of the job, where it is to say one.
        explained: with a comment at everything that somebody may want to change.

    Raises:
        UsageProblem: processes are asked for, and nothing starts them.
    """
    lines = _ManifestText(facts, call, folder, explained=explained)
    return "".join(f"{line}\n" for line in (*lines.head(namespace), *lines.spec()))


class _ManifestText:
    """The lines of one manifest."""

    def __init__(self, facts: ScriptSummary, call: ScriptCall, folder: str, *, explained: bool) -> None:
        self._facts, self._call, self._folder, self._explained = facts, call, folder, explained
        self._runtime = call.runtime or (TORCH if facts.distributed else PLAIN)
        self._is_distributed = self._runtime == TORCH or (bool(facts.distributed) and self._runtime != PLAIN)

    def head(self, namespace: str) -> Iterator[str]:
        """Up to the spec."""
        facts = self._facts
        yield from self._say("", f"How {facts.shown} is run: by Kubeflow Trainer, or here by kfrun. {_CHANGE}")
        yield "apiVersion: trainer.kubeflow.org/v1alpha1"
        yield "kind: TrainJob"
        yield "metadata:"
        yield from self._say("  ", "What the job is called: kfrun logs and kfrun rerun take this name.")
        yield f"  name: {scalar(facts.title)}"
        if namespace:
            yield f"  namespace: {scalar(namespace)}"
        annotations = list(self._annotations())
        if annotations:
            yield "  annotations:"
            yield from annotations
        elif self._explained:
            without = "Without packages it runs in the Python that is there."
            without = "The runtime brings PyTorch, and nothing else." if self._runtime == TORCH else without
            yield from self._say("  ", f"{without} To have some installed:")
            yield "  # annotations:"
            yield "  #   kfrun.dev/packages: numpy>=2"

    def _annotations(self) -> Iterator[str]:
        source = posixpath.relpath(self._facts.folder, self._folder)
        if source != ".":
            yield from self._say("    ", "The folder that the job runs in, seen from this file.")
            yield f"    kfrun.dev/source: {scalar(source)}"
        names = [self._path(path) for path in self._facts.requirements]
        if names:
            yield from self._say(
                "    ", "What is installed before the job starts, once for every job that asks for the same."
            )
        if len(names) == 1:
            yield f"    {ANNOTATION}: {scalar(names[0])}"
        elif names:
            yield f"    {ANNOTATION}: |"
            yield from (f"      {name}" for name in names)

    def _path(self, path: str) -> str:
        """A file as the manifest names it."""
        is_near = path.startswith((self._facts.folder.rstrip("/") + "/", self._folder.rstrip("/") + "/"))
        return posixpath.relpath(path, self._folder) if is_near else path

    def spec(self) -> Iterator[str]:
        """The spec."""
        yield "spec:"
        yield "  runtimeRef:"
        yield from self._say("    ", self._reason())
        yield f"    name: {scalar(self._runtime)}"
        yield "  trainer:"
        yield from self._counts()
        yield from self._say("    ", "What every node starts.")
        yield f"    command: [{', '.join(scalar(_literal(word)) for word in self._command())}]"
        yield from self._args()

    def _reason(self) -> str:
        others = "kfrun runtimes list shows all"
        if self._call.runtime:
            return f"How its processes are started; {others}."
        if self._facts.distributed:
            return f"{self._facts.shown} uses {self._facts.distributed}: torchrun starts its processes; {others}."
        return f"It is started as it is; {TORCH} is for PyTorch, and {others}."

    def _counts(self) -> Iterator[str]:
        call = self._call
        yield from self._say("    ", "Nodes; all of them run on this machine.")
        yield f"    numNodes: {call.nodes or 1}"
        if call.processes is not None:
            self._require_launcher()
            yield from self._say("    ", "Processes of each node.")
            yield f"    numProcPerNode: {call.processes}"
        elif self._explained and self._is_distributed:
            yield "    # Processes of each node; without it one for each GPU or CPU that resourcesPerNode asks for."
            yield "    # numProcPerNode: 2"
        if call.gpus is not None:
            yield from self._say("    ", "What each node asks for.")
            yield "    resourcesPerNode:"
            yield "      limits:"
            yield f'        nvidia.com/gpu: "{call.gpus}"'

    def _require_launcher(self) -> None:
        """Refuse processes that nothing is going to start."""
        facts = self._facts
        program = facts.command[0].rpartition("/")[2]
        if self._call.is_command and program.startswith("python"):
            way = "name torchrun in its place, or leave it away: kfrun run --nproc 2 train.py"
            raise UsageProblem(f"--nproc is for what torchrun starts, and a command with {program} runs as it is", way)
        if not self._is_distributed and not self._call.runtime:
            way = "--nodes starts it several times; --runtime torch-distributed starts it by torchrun"
            raise UsageProblem(f"--nproc is for what torchrun starts, and {facts.shown} uses no PyTorch", way)

    def _command(self) -> tuple[str, ...]:
        command = self._facts.command
        if self._call.is_command or not self._is_distributed or command[0] != "python":
            return command
        return ("torchrun", *command[1:])

    def _args(self) -> Iterator[str]:
        facts = self._facts
        words = [scalar(_literal(word)) for word in facts.args]
        if words and (self._explained or len(", ".join(words)) > _WIDTH - 12):
            yield "    args:"
            yield from (f"      - {word}" for word in words)
        elif words:
            yield f"    args: [{', '.join(words)}]"
        if not self._explained:
            return
        if facts.parameters:
            optional = "" if facts.args else "    # args:"
            yield from self._say(
                "    ", f"What {facts.shown} takes, with its defaults: take away the # of a line, and change it."
            )
            yield from filter(None, [optional])
            for one in facts.parameters:
                about = f"  # {one.about}" if one.about else ""
                first, *rest = (scalar(_literal(word)) for word in one.words)
                yield f"    #   - {first}{about}"
                yield from (f"    #   - {word}" for word in rest)
        elif facts.interface:
            yield from self._say("    ", f"{facts.shown} reads its arguments by {facts.interface}: {_way(facts)}")
            yield from [] if facts.args else ["    # args: []"]
        elif not facts.args:
            yield from self._say("    ", f"Arguments of {facts.shown}, each in quotes.")
            yield "    # args: []"

    def _say(self, indent: str, sentence: str) -> Iterator[str]:
        """A comment, where there are to be any."""
        if self._explained:
            room = _WIDTH - len(indent) - 2
            yield from (f"{indent}# {line}" for line in _wrapped(sentence, room))


_CHANGE: Final = "Made by kfrun init; change what you like, kfrun validate checks it."


def _way(facts: ScriptSummary) -> str:
    if facts.interface == "hydra":
        return "words as lr=0.1 set values of its configuration, --help lists them."
    return "--help lists them."


def _wrapped(sentence: str, room: int) -> Iterator[str]:
    line = ""
    for word in "".join(one if one.isprintable() else "\ufffd" for one in sentence).split(" "):
        if line and len(line) + 1 + len(word) > room:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _literal(word: str) -> str:
    """The word as Kubernetes leaves it alone: it takes ``$(NAME)`` for a variable, and ``$$`` for one sign."""
    return word.replace("$", "$$") if "$(" in word or "$$" in word else word


def scalar(word: str) -> str:
    """The word as a text in YAML, in quotes unless it can be nothing else."""
    if _PLAIN_SCALAR.fullmatch(word) and word.lower() not in _WORDS:
        return word
    return '"' + "".join(map(_escaped, word)) + '"'


def _escaped(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    if one == " " or one.isprintable():
        return one
    code = ord(one)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
