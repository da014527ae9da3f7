"""What a schema says of one field. Made by `validate.advice.fieldpaths`, drawn by `report.explain`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of a kind.

    Attributes:
        kind: the kind that the field belongs to.
        path: names from the kind's root, ``[]`` behind lists: ``spec.trainer.env[]``; empty for the kind itself.
        type: ``integer``, ``[]EnvVar``, ``map[string]string``.
        required: whether the object that holds it must have it.
        default: what an API server fills in; None for nothing.
        constraints: one clause each: ``at most 128 items``.
        description: a sentence or two, empty where there is none.
        since: the first release that has the field.
        until: the last one, None where the newest has it.
        example: the field in its surroundings, as data; None where none is of use.
        within: where in a runtime it stands, of a kind that has no schema of its own; empty for the rest.
        fields: what the field holds, without their own examples.
    """

    kind: str
    path: str
    type: str
    required: bool = False
    default: Any = None
    constraints: tuple[str, ...] = ()
    description: str = ""
    since: str | None = None
    until: str | None = None
    example: Any = None
    within: str = ""
    fields: tuple[FieldInfo, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path, without brackets."""
        return self.path.rpartition(".")[2].rstrip("[]")
