"""What ``--set`` and ``--set-string`` give: values of templates, and fields of TrainJobs.

``--set spec.trainer.numNodes=3`` sets the field of every TrainJob in the input, unless a template uses a value of that
name. What nobody uses is refused: whoever typed it believes that it was taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.errors import UsageProblem
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.source import Position, field_text, with_given
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from kfrun.model.source import Document, FieldPath

    Put = Callable[[dict[str, Any], FieldPath, Any, str], None]

FIELDS: Final = ("spec", "metadata")
"""Where the path of a field of a TrainJob begins."""

_OPENINGS: Final = ("{{", "{%", "{#")
_MOST_NAMES: Final = 12


class Assignment(NamedTuple):
    """One ``--set``.

    Attributes:
        flag: which it was.
        name: its path as it was typed.
    """

    flag: str
    name: str
    path: FieldPath
    value: Any

    @property
    def is_field(self) -> bool:
        """Whether it can mean a field of a manifest."""
        return len(self.path) > 1 and self.path[0] in FIELDS


class Given(dict[str, Any]):
    """The values for templates, and what of the command line was used so far.

    Args:
        values: all of them.
        assignments: those of flags, in their order.
        put: puts a value at a path of a mapping.
        from_files: some come from files: then every source is a template.
    """

    def __init__(
        self, values: Mapping[str, Any], assignments: Sequence[Assignment], put: Put, *, from_files: bool
    ) -> None:
        super().__init__(values)
        self._assignments, self._put, self._from_files = assignments, put, from_files
        self._unused = set(range(len(assignments)))
        self._names: set[FieldPath] = set()

    def renders(self, text: str) -> bool:
        """Whether a text is a template, if its source's name does not say so: fields are set without one."""
        if self._from_files or not all(one.is_field for one in self._assignments):
            return True
        return any(_is_used(one.path, _variables(text)) for one in self._assignments)

    def applied(self, documents: Sequence[Document], text: str, *, is_template: bool) -> list[Document]:
        """The documents of a source's text, with what is given for their fields."""
        used = _variables(text) if is_template else frozenset()
        self._names |= used
        fields = []
        for number, one in enumerate(self._assignments):
            if _is_used(one.path, used):
                self._unused.discard(number)
            elif one.is_field:
                fields.append((number, one))
        return [self._with_fields(document, fields) if fields else document for document in documents]

    def _with_fields(self, document: Document, fields: Sequence[tuple[int, Assignment]]) -> Document:
        if document.key.kind != TRAIN_JOB:
            return document
        import copy

        data = copy.deepcopy(document.data)
        given: dict[FieldPath, Position] = {}
        for number, one in fields:
            self._put(data, one.path, copy.deepcopy(one.value), f"{one.flag} {one.name}")
            given[one.path] = Position(f"{one.flag} {one.name}", 0, 0)
            self._unused.discard(number)
        return replace(document, data=data, positions=with_given(document.positions, given))

    def require_used(self) -> None:
        """Refuse what nobody has used, once everything was read.

        Raises:
            UsageProblem: with what can be set.
        """
        for number in sorted(self._unused):
            one = self._assignments[number]
            if one.is_field:
                raise UsageProblem(f"{one.flag} {one.name}: there is no TrainJob in the input", "name its manifest")
            raise UsageProblem(f"{one.flag} {one.name}: nothing in the input uses it", self._hint(one))

    def _hint(self, unused: Assignment) -> str:
        from difflib import get_close_matches

        names = sorted({field_text(path) for path in self._names})
        near = get_close_matches(field_text(unused.path), names, n=1)
        shown = ", ".join(names[:_MOST_NAMES]) + (" and more" if len(names) > _MOST_NAMES else "")
        templates = f"templates use {shown}" if names else "no template in it uses any value"
        parts = [*([f"did you mean {near[0]}?"] if near else []), templates]
        return "; ".join(
            [
                *parts,
                "fields are paths, as spec.trainer.numNodes=3",
                f"an argument of the job is --arg --{unused.name}=…",
            ]
        )


def _is_used(path: FieldPath, used: Collection[FieldPath]) -> bool:
    """Whether a template looks at a path, at what holds it, or at something in it."""
    return any(one[: len(path)] == path[: len(one)] for one in used)


def _variables(text: str) -> frozenset[FieldPath]:
    if not any(opening in text for opening in _OPENINGS):
        return frozenset()
    from kfrun.load import variables

    return variables.of(text)
