"""What an API server answers to an object: causes, and the places they name. Used by the rules of Jobs and JobSets.

A place is kept twice: as a path of the object, for positions, and as the API server writes it, which is not always
the same: map keys are in brackets, and some fields of list items are named without the index.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kfrun.model.source import FieldPath, Severity

Node = dict[str, Any]

REQUIRED: Final = "FieldValueRequired"
INVALID: Final = "FieldValueInvalid"
UNSUPPORTED: Final = "FieldValueNotSupported"
DUPLICATE: Final = "FieldValueDuplicate"
FORBIDDEN: Final = "FieldValueForbidden"
NOT_FOUND: Final = "FieldValueNotFound"
TOO_MANY: Final = "FieldValueTooMany"
TOO_LONG: Final = "FieldValueTooLong"

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_TEXT = "lower-case letters, digits and -, a letter or digit at both ends, at most 63 characters"
_PATH_CHARACTERS = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


class Place(NamedTuple):
    """A field: its path in the object and its text as the API server writes it."""

    path: FieldPath = ()
    text: str = ""

    def child(self, name: str) -> Place:
        """A field of this object."""
        return Place((*self.path, name), f"{self.text}.{name}" if self.text else name)

    def item(self, index: int) -> Place:
        """An item of this list."""
        return Place((*self.path, index), f"{self.text}[{index}]")

    def key(self, name: str) -> Place:
        """An entry of this map."""
        return Place((*self.path, name), f"{self.text}[{name}]")

    def shown_as(self, other: Place) -> Place:
        """This path, under the name of another place: where upstream leaves an index out."""
        return self._replace(text=other.text)

    def __truediv__(self, name: str) -> Place:
        return self.child(name)


class Cause(NamedTuple):
    """One reason why an object is refused.

    Attributes:
        path: of the object's field; for a missing one, where it ought to be.
        field: as the API server writes it.
        reason: Kubernetes' word for it, ``FieldValueRequired`` for example.
    """

    path: FieldPath
    field: str
    reason: str
    message: str


class Rule(NamedTuple):
    """One rule, or one family of rules about the same field.

    Attributes:
        code: of its findings.
        source: where upstream states it.
        locally: how bad it is for a job that runs as local processes; None where processes do not care.
        check: yields causes; what it is given depends on the table.
    """

    code: str
    source: str
    locally: Severity | None
    check: Callable[..., Iterator[Cause]]


def required(place: Place, message: str = "a value is needed") -> Cause:
    """A field that is missing or empty."""
    return Cause(place.path, place.text, REQUIRED, message)


def invalid(place: Place, value: object, allowed: str) -> Cause:
    """A value that is not allowed; ``allowed`` says what is."""
    return Cause(place.path, place.text, INVALID, f"{quoted(value)} is not allowed; {allowed}")


def unsupported(place: Place, value: object, allowed: Iterable[str]) -> Cause:
    """A value that is none of the known ones."""
    return Cause(place.path, place.text, UNSUPPORTED, f"{quoted(value)} is not allowed; allowed: {', '.join(allowed)}")


def duplicate(place: Place, value: object) -> Cause:
    """A value that an earlier item has already."""
    return Cause(place.path, place.text, DUPLICATE, f"{quoted(value)} is there already")


def forbidden(place: Place, message: str) -> Cause:
    """A field that may not be set here."""
    return Cause(place.path, place.text, FORBIDDEN, message)


def not_found(place: Place, value: object, message: str) -> Cause:
    """A name that refers to nothing."""
    return Cause(place.path, place.text, NOT_FOUND, f"{quoted(value)}: {message}")


def too_many(place: Place, count: int, most: int) -> Cause:
    """A list with too many items."""
    return Cause(place.path, place.text, TOO_MANY, f"{count} items; at most {most} are allowed")


def too_long(place: Place, length: int, most: int) -> Cause:
    """A text that is too long."""
    return Cause(place.path, place.text, TOO_LONG, f"{length} characters; at most {most} are allowed")


def quoted(value: object) -> str:
    """A value for a message."""
    text = f'"{value}"' if isinstance(value, str) else "the value" if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 80 else text[:76] + '..."'


def node(value: Any, *keys: str) -> Node:
    """The mapping at ``keys``; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Any, key: str) -> str:
    """The string at ``key``, empty where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def number(value: Any, key: str) -> int | None:
    """The whole number at ``key``, None where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def values(value: Any, key: str) -> list[Any]:
    """The list at ``key``, empty where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def items(value: Any, key: str, place: Place) -> Iterator[tuple[Place, Node]]:
    """The mappings in the list at ``key`` and their places; ``place`` is that of ``value``."""
    for index, item in enumerate(values(value, key)):
        yield (place / key).item(index), item if isinstance(item, dict) else {}


def is_label(value: str) -> bool:
    """A DNS label of RFC 1123."""
    return len(value) <= 63 and re.fullmatch(_LABEL, value) is not None


def is_subdomain(value: str) -> bool:
    """A DNS subdomain of RFC 1123."""
    return len(value) <= 253 and re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", value) is not None


def is_service_label(value: str) -> bool:
    """A DNS label of RFC 1035: a letter comes first."""
    return is_label(value) and not value[0].isdigit()


def is_label_value(value: str) -> bool:
    """The value of a label; it may be empty."""
    return not value or (len(value) <= 63 and re.fullmatch(_NAME, value) is not None)


def is_qualified(value: str) -> bool:
    """A key of a label: a name, with a DNS subdomain and a slash before it or not."""
    prefix, slash, name = value.rpartition("/")
    return (not slash or is_subdomain(prefix)) and len(name) <= 63 and re.fullmatch(_NAME, name) is not None


def is_domain_path(value: str) -> bool:
    """A domain, a slash and a path: ``acme.io/foo``."""
    domain, _, path = value.partition("/")
    return is_subdomain(domain) and re.fullmatch(_PATH_CHARACTERS, path) is not None


def label_name(place: Place, value: str, *, allowed: str = _LABEL_TEXT) -> Iterator[Cause]:
    """A name that must be a DNS label."""
    if not is_label(value):
        yield invalid(place, value, f"allowed: {allowed}")


def subdomain_name(place: Place, value: str) -> Iterator[Cause]:
    """A name that must be a DNS subdomain."""
    if not is_subdomain(value):
        yield invalid(place, value, "allowed: lower-case letters, digits, - and ., a letter or digit at both ends")


def qualified_name(place: Place, value: str) -> Iterator[Cause]:
    """A name of the form of label keys."""
    if not is_qualified(value):
        yield invalid(place, value, "allowed: letters, digits, -, _ and ., with a domain and a / before them or not")


def labels(place: Place, entries: Node) -> Iterator[Cause]:
    """Keys and values of labels, or of anything that is compared with labels. All causes name the whole map."""
    yield from keys(place, entries)
    for key, value in entries.items():
        if isinstance(value, str) and not is_label_value(value):
            yield invalid(place.key(key).shown_as(place), value, "allowed: letters, digits, -, _ and . (63 at most)")


def keys(place: Place, entries: Node) -> Iterator[Cause]:
    """Keys of labels or, in lower case, of annotations."""
    for key in entries:
        yield from qualified_name(place.key(key).shown_as(place), key)


def one_of(place: Place, value: str, allowed: tuple[str, ...]) -> Iterator[Cause]:
    """A choice; an empty value stands for the default."""
    if value and value not in allowed:
        yield unsupported(place, value, allowed)


def not_negative(holder: Node, place: Place, *fields: str) -> Iterator[Cause]:
    """Numbers that may not be below zero."""
    for field in fields:
        value = number(holder, field)
        if value is not None and value < 0:
            yield invalid(place / field, value, "allowed: 0 or more")


def relative_path(place: Place, value: str) -> Iterator[Cause]:
    """A path that stays below where it starts."""
    if value.startswith("/"):
        yield invalid(place, value, "it must be a relative path")
    if ".." in value.split("/"):
        yield invalid(place, value, "it may not contain ..")


def file_path(place: Place, value: str) -> Iterator[Cause]:
    """A relative path in a volume; names that begin with two dots are the kubelet's own."""
    yield from relative_path(place, value)
    if value.startswith("..") and not value.startswith("../"):
        yield invalid(place, value, "it may not begin with ..")


def port_number(place: Place, value: int) -> Iterator[Cause]:
    """A port."""
    if not 1 <= value <= 65535:
        yield invalid(place, value, "allowed: 1 to 65535")


def port_name(place: Place, value: str) -> Iterator[Cause]:
    """The name of a port: an IANA service name."""
    form = len(value) <= 15 and re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", value) is not None
    if not form or "--" in value or not re.search(r"[a-z]", value):
        yield invalid(place, value, "allowed: up to 15 lower-case letters, digits and -, one letter at least")
