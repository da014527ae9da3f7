"""Documents as the controller's typed structs would hold them.

The controller reads YAML into structs and writes these out again; on the way unknown fields go, quantities become
canonical and, in what is written, zero values and empty lists vanish. Everything after this module may rely on the
types of `structs`: nothing else of resolve looks at raw documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.resolve.findings import finding
from kfrun.validate.admission import quantity
from kfrun.validate.schema import structs

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.model.source import FieldPath, Finding
    from kfrun.resolve.origins import Mark, OriginLog

_INT64 = range(-(2**63), 2**63)
_WRONG = object()
"""What a scalar reader answers for a value of another type."""


class Decoder:
    """Reads values of one document; ``findings`` holds what could not be read.

    Args:
        mark: the layer and document that the values belong to.
        ledger: learns where every object stands.
        written: values as the controller writes them (zero values and empty lists left out), not as it reads them.
    """

    def __init__(self, mark: Mark, ledger: OriginLog, *, written: bool) -> None:
        self._mark = mark
        self._ledger = ledger
        self._written = written
        self.findings: list[Finding] = []

    def struct(self, value: Any, type_name: str, path: FieldPath) -> dict[str, Any]:
        """``value`` as the type ``type_name``; an empty struct and a finding when it is no object."""
        read = self._read(value, type_name, path)
        return read if isinstance(read, dict) else {}

    def _read(self, value: Any, kind: str, path: FieldPath) -> Any:
        if kind[0] == "[":
            return self._list(value, kind[1:-1], path)
        if kind[0] == "{":
            return self._map(value, kind[1:-1], path)
        return self._scalar(value, kind, path) if kind in _SCALARS else self._struct(value, kind, path)

    def _scalar(self, value: Any, kind: str, path: FieldPath) -> Any:
        read = _SCALARS[kind](value)
        return self._wrong(value, _NAMES[kind], path) if read is _WRONG else read

    def _struct(self, value: Any, type_name: str, path: FieldPath) -> Any:
        if not isinstance(value, dict):
            return self._wrong(value, "an object", path)
        known = structs.fields(type_name)
        node: dict[str, Any] = {}
        self._ledger.place_at(node, self._mark, path)
        for key, item in value.items():
            field = known.get(key)
            if field is None or item is None:
                continue
            # most fields are texts, and this is where resolving spends its time
            is_text = type(item) is str and field.kind == "string"
            read = item if is_text else self._read(item, field.kind, (*path, key))
            if not (self._written and _vanishes(read, field)):
                node[key] = read
        return node

    def _list(self, value: Any, kind: str, path: FieldPath) -> Any:
        if not isinstance(value, list):
            return self._wrong(value, "a list", path)
        if kind == "string" and all(type(item) is str for item in value):
            return value.copy()
        return [self._read(item, kind, (*path, index)) for index, item in enumerate(value)]

    def _map(self, value: Any, kind: str, path: FieldPath) -> Any:
        if not isinstance(value, dict):
            return self._wrong(value, "an object", path)
        if kind == "string" and all(type(item) is str for item in value.values()):
            return self._ledger.place_at(value.copy(), self._mark, path)
        node = {key: self._read(item, kind, (*path, key)) for key, item in value.items()}
        return self._ledger.place_at(node, self._mark, path)

    def _wrong(self, value: Any, expected: str, path: FieldPath) -> None:
        message = f"must be {expected}, not {describe(value)}"
        self.findings.append(finding("KF404", message, self._mark.document, path))


def _vanishes(value: Any, field: structs.Field) -> bool:
    if value:
        return False
    if field.kind[0] in "[{":
        return not value
    if field.pointer or field.always or isinstance(value, dict):
        return False
    return value in ("", 0, False)


def complete(node: dict[str, Any], type_name: str) -> None:
    """Bring ``node`` into the form in which the controller writes it, in place and at every depth.

    Fields that it always writes are added (``resources: {}``), and what a patch has set to zero is taken away.
    """
    known = structs.fields(type_name)
    for key in structs.always(type_name):
        if key not in node:
            kind = known[key].kind
            node[key] = structs.ZEROS.get(kind, {})
    for key, value in list(node.items()):
        field = known.get(key)
        if field is None:
            continue
        if _vanishes(value, field):
            del node[key]
        elif field.kind not in _SCALARS:
            _complete(value, field.kind)


def _complete(value: Any, kind: str) -> None:
    if kind[0] == "[":
        if kind[1:-1] not in _SCALARS:
            for item in value:
                complete(item, kind[1:-1])
    elif kind[0] != "{" and kind not in _SCALARS:
        complete(value, kind)


def describe(value: Any) -> str:
    """A value in the words of a finding: ``the string "x"``, ``a list``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int) and not _INT64.start <= value < _INT64.stop:
        return "a number too large for any field"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'the string "{value if len(value) <= 60 else value[:57] + "..."}"'
    return "a list" if isinstance(value, list) else "an object"


def _string(value: Any) -> Any:
    return value if isinstance(value, str) else _WRONG


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else _WRONG


def _integer(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and _INT64.start <= value < _INT64.stop else _WRONG


def _quantity(value: Any) -> Any:
    if isinstance(value, int):
        value = _integer(value)
    if value is _WRONG or not isinstance(value, int | float | str):
        return _WRONG
    text = quantity.canonical(str(value))
    return _WRONG if text is None else text


def _int_or_string(value: Any) -> Any:
    return value if isinstance(value, str) else _integer(value)


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "bool": _boolean,
    "int": _integer,
    "quantity": _quantity,
    "intOrString": _int_or_string,
}
_NAMES = {
    "string": "a string",
    "bool": "a boolean",
    "int": "an integer",
    "quantity": "a quantity such as 500m or 2Gi",
    "intOrString": "an integer or a string",
}
