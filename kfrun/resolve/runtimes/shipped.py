"""The runtimes that kfrun ships in ``runtimes/``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, overload

from kfrun.load import data, kubeyaml

if TYPE_CHECKING:
    from kfrun.model.source import Document


class Shipped(Sequence["Document"]):
    """The shipped runtimes as documents. They are read when first looked at: most jobs bring their own."""

    def __len__(self) -> int:
        return len(_documents())

    @overload
    def __getitem__(self, index: int) -> Document: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Document]: ...

    def __getitem__(self, index: int | slice) -> Document | Sequence[Document]:
        return _documents()[index]


def shipped() -> Shipped:
    """The shipped runtimes, in the order of their names.

    Looking at them raises `kfrun.errors.Unavailable` when this installation lacks its own files.
    """
    return Shipped()


@cache
def _documents() -> tuple[Document, ...]:
    documents: list[Document] = []
    for name in data.names("runtimes"):
        if not name.endswith(".yaml"):
            continue
        text = data.read_text("runtimes", name)
        parsed, findings = kubeyaml.parse(text, data.data_path("runtimes", name), folder=None)
        assert not findings, findings
        documents.extend(parsed)
    return tuple(documents)
