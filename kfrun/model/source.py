"""Where things come from: documents, positions in them, and findings about them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from kfrun.model.values import NamedTuple, dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.model.requirements import Requirements

FieldPath = tuple[str | int, ...]
"""Keys and 0-based indexes from the root of a document, e.g. ``("spec", "trainer", "env", 2, "value")``."""


class Position(NamedTuple):
    """A place in a source: line and column are 1-based, columns count characters; both are 0 where it has no lines.

    What a flag of the command line says has no line: ``file`` is the flag then.
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


if TYPE_CHECKING:
    # a protocol takes 0.2 ms to define, and nobody asks for it while kfrun runs

    class Positions(Protocol):
        """Where each node of one document stands. A path without a node answers for its nearest ancestor."""

        def value(self, path: FieldPath) -> Position:
            """The position of the value at ``path``."""

        def key(self, path: FieldPath) -> Position:
            """The position of the mapping key that introduces ``path`` (for list items: of the item)."""


class ObjectKey(NamedTuple):
    """What identifies a Kubernetes object. ``namespace`` is empty for cluster-scoped kinds."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """The API group: ``trainer.kubeflow.org`` of ``trainer.kubeflow.org/v1alpha1``, empty for core."""
        group, slash, _ = self.api_version.rpartition("/")
        return group if slash else ""

    @property
    def resource(self) -> str:
        """Kubectl's short form: ``trainjob.trainer.kubeflow.org/mnist``."""
        kind = self.kind.lower()
        return f"{kind}.{self.group}/{self.name}" if self.group else f"{kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: plain data as kubectl would read it, and where each node of it stands.

    Attributes:
        data: dicts, lists, str, int, float, bool and None; mapping keys are always strings.
        positions: the place of every node.
        source: the name shown to users: a path as given, a URL, or ``<stdin>``.
        text: the whole text of the source, for excerpts.
        index: 0-based number of the document in its source.
        folder: absolute path of the folder that holds the file; None for stdin and URLs.
        requirements: what the files say that its annotations name; None where they name none, or nobody read them.
    """

    data: dict[str, Any]
    positions: Positions
    source: str
    text: str
    index: int = 0
    folder: str | None = None
    requirements: Requirements | None = None

    @property
    def key(self) -> ObjectKey:
        """The object's identity; missing or ill-typed parts are empty strings."""
        metadata = self.data.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}

        def text(value: object) -> str:
            return value if isinstance(value, str) else ""

        return ObjectKey(
            text(self.data.get("apiVersion")),
            text(self.data.get("kind")),
            text(metadata.get("namespace")),
            text(metadata.get("name")),
        )


class _Nowhere(NamedTuple):
    """Positions of an object that has no source text."""

    place: Position

    def value(self, path: FieldPath) -> Position:  # noqa: ARG002
        """The object as a whole."""
        return self.place

    def key(self, path: FieldPath) -> Position:  # noqa: ARG002
        """The object as a whole."""
        return self.place


def without_text(data: dict[str, Any], source: str) -> Document:
    """An object that has no source text."""
    return Document(data=data, positions=_Nowhere(Position(source, 0, 0)), source=source, text="")


class _Given:
    """Positions of a document some parts of which were given elsewhere."""

    __slots__ = ("_given", "_positions", "is_rendered")

    def __init__(self, positions: Positions, given: Mapping[FieldPath, Position]) -> None:
        self._positions, self._given = positions, given
        self.is_rendered = getattr(positions, "is_rendered", False)

    def value(self, path: FieldPath) -> Position:
        """Where the value at ``path`` was given."""
        return self._elsewhere(path) or self._positions.value(path)

    def key(self, path: FieldPath) -> Position:
        """Where the key of ``path`` was given."""
        return self._elsewhere(path) or self._positions.key(path)

    def _elsewhere(self, path: FieldPath) -> Position | None:
        """The longest part of ``path`` that was given elsewhere says where."""
        found = (self._given.get(path[:length]) for length in range(len(path), 0, -1))
        return next((position for position in found if position is not None), None)


def with_given(positions: Positions, given: Mapping[FieldPath, Position]) -> Positions:
    """The positions, with those of the values at some paths, and of all in them, elsewhere."""
    return _Given(positions, given) if given else positions


class Severity(StrEnum):
    """How bad a finding is. Only errors refuse the input."""

    ERROR = "error"
    WARNING = "warning"


class Stage(StrEnum):
    """Which stage of admission found it, in the order in which a cluster would."""

    YAML = "yaml"
    TEMPLATE = "template"
    SCHEMA = "schema"
    RULE = "rule"
    WEBHOOK = "webhook"
    BUILD = "build"
    JOBSET = "jobset"
    JOB = "job"
    BACKEND = "backend"
    LINT = "lint"


class Related(NamedTuple):
    """A further place that a finding has to do with, which need not be in what the user gave.

    Attributes:
        message: what stands there.
        position: where that is; None where it has no source.
    """

    message: str
    position: Position | None = None

    def __str__(self) -> str:
        place = self.position if self.position and self.position.line else None
        return f"{self.message}, {place}" if place else self.message


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of the input, with everything a user needs to mend it.

    Attributes:
        code: stable code: KF1xx load, KF2xx schema, KF3xx rules, KF4xx resolve, KF5xx plan, KF6xx execute.
        message: what was found and what is allowed; no position, no path.
        path: the field; empty for the whole document.
        position: where it stands; None when there is no source (an object of the store).
        hint: how to mend it (``did you mean "numNodes"?``).
        object: the object it is about, when the document got that far.
        excerpt: the source line at ``position``, without its line break.
        shown: the field as the API server writes it, where that is not what ``path`` gives.
        related: what it has to do with elsewhere.
    """

    code: str
    message: str
    stage: Stage
    severity: Severity = Severity.ERROR
    path: FieldPath = ()
    position: Position | None = None
    hint: str | None = None
    object: ObjectKey | None = None
    excerpt: str | None = None
    shown: str | None = None
    related: tuple[Related, ...] = ()

    @property
    def field(self) -> str:
        """The path as the API server writes it: ``spec.trainer.env[2].value``."""
        return self.shown or field_text(self.path)


def field_text(path: FieldPath) -> str:
    """Write a path as the API server does; keys that are no plain names are bracketed."""
    text = ""
    for part in path:
        if isinstance(part, int) or "." in part or "/" in part or not part:
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
