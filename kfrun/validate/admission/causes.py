"""What an API server answers to an object: causes, and the places they name.

A place is kept twice: as a path of the object, for positions, and as the API server writes it, which is not always
the same: map keys are in brackets, and some fields of list items are named without the index.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
_REMEMBERED: Final = 1024
"""Names that are looked at again and again: volumes, labels, resources."""

MOST_ANNOTATED: Final = 256 * 1024
"""Bytes of all annotations of an object, keys and values."""

_LABEL_TEXT = "lower-case letters, digits and -, a letter or digit at both ends, at most 63 characters"
_PATH_CHARACTERS = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


class Place:
    """A field: its path in the object and its text as the API server writes it.

    Rules make one for every field that they look at, and nearly all are right: so a place only knows what it is in.
    """

    __slots__ = ("_inside", "_part", "_shown")

    def __init__(self, inside: Place | None = None, part: str | int = "", shown: str | Place = "") -> None:
        self._inside = inside
        self._part = part
        self._shown = shown

    def __truediv__(self, name: str) -> Place:
        """A field of this object."""
        return Place(self, name, ".")

    def item(self, index: int) -> Place:
        """An item of this list."""
        return Place(self, index, "[")

    def key(self, name: str) -> Place:
        """An entry of this map."""
        return Place(self, name, "[")

    def shown_as(self, other: Place) -> Place:
        """This path, under the name of another place: where upstream leaves an index out."""
        return Place(self._inside, self._part, other)

    @property
    def path(self) -> FieldPath:
        """The keys and indexes from the root of the object."""
        if self._inside is None:
            return ()
        return (*self._inside.path, self._part)

    @property
    def text(self) -> str:
        """As the API server writes it."""
        if isinstance(self._shown, Place):
            return self._shown.text
        around = self._inside.text if self._inside is not None else ""
        if self._shown == "[":
            return f"{around}[{self._part}]"
        return f"{around}.{self._part}" if around else str(self._part)

    @property
    def name(self) -> str:
        """The field without what it is in: ``image``, or ``containers[0]`` for an item."""
        return self.text.rpartition(".")[2]


class Cause(NamedTuple):
    """One reason why an object is refused.

    Attributes:
        path: of the object's field; for a missing one, where it ought to be.
        field: as the API server writes it.
        reason: Kubernetes' word for it, ``FieldValueRequired`` for example.
        hint: how to mend it; empty where what is said of the rule's code says enough.
    """

    path: FieldPath
    field: str
    reason: str
    message: str
    hint: str = ""


class Rule(NamedTuple):
    """One rule, or one family of rules about the same field.

    Attributes:
        code: of its findings.
        source: where upstream states it.
        locally: how bad it is for a job that runs as local processes: an error where they run by the field, so that
            it has to mean something, None where they do not care.
        check: yields causes; what it is given depends on the table.
        fields: it is only asked where one of them is there; always, where it names none.
    """

    code: str
    source: str
    locally: Severity | None
    check: Callable[..., Iterator[Cause]]
    fields: frozenset[str] = frozenset()

    def concerns(self, holder: Node) -> bool:
        """Whether there is anything in ``holder`` that this rule is about."""
        return not self.fields or not self.fields.isdisjoint(holder)


def about(names: str) -> frozenset[str]:
    """The fields of a rule, written as words."""
    return frozenset(names.split())


def required(place: Place, message: str = "a value is needed", hint: str = "") -> Cause:
    """A field that is missing or empty."""
    return Cause(place.path, place.text, REQUIRED, message, hint or f"set {place.name}")


def invalid(place: Place, value: object, allowed: str, hint: str = "") -> Cause:
    """A value that is not allowed; ``allowed`` says what is."""
    return Cause(place.path, place.text, INVALID, f"{quoted(value)} is not allowed; {allowed}", hint)


def unsupported(place: Place, value: object, allowed: Sequence[str], hint: str = "") -> Cause:
    """A value that is none of the known ones."""
    message = f"{quoted(value)} is not allowed; allowed: {', '.join(allowed)}"
    return Cause(place.path, place.text, UNSUPPORTED, message, hint or _nearest(value, allowed))


def duplicate(place: Place, value: object) -> Cause:
    """A value that an earlier item has already."""
    name = "" if place.name.endswith("]") else f"give it a {place.name} of its own, or "
    hint = f"{name}remove one of the two"
    return Cause(place.path, place.text, DUPLICATE, f"{quoted(value)} is there already", hint)


def forbidden(place: Place, message: str, hint: str = "") -> Cause:
    """A field that may not be set here."""
    return Cause(place.path, place.text, FORBIDDEN, message, hint or f"remove {place.name}")


def not_found(place: Place, value: object, message: str, hint: str) -> Cause:
    """A name that refers to nothing."""
    return Cause(place.path, place.text, NOT_FOUND, f"{quoted(value)}: {message}", hint)


def too_many(place: Place, count: int, most: int) -> Cause:
    """A list with too many items."""
    message = f"{count} items; at most {most} are allowed"
    return Cause(place.path, place.text, TOO_MANY, message, f"remove {count - most} of them, or put some together")


def too_long(place: Place, length: int, most: int) -> Cause:
    """A text that is too long."""
    message = f"{length} characters; at most {most} are allowed"
    return Cause(place.path, place.text, TOO_LONG, message, f"leave out {length - most} of them")


def _nearest(value: object, allowed: Sequence[str]) -> str:
    from kfrun.validate.schema.hints import near_value

    return near_value(value, allowed) or (f"write {allowed[0]}" if len(allowed) == 1 else "write one of these")


def _shorter(value: str, most: int, example: str) -> str:
    return f"make it {len(value) - most} shorter" if len(value) > most else f"write a name such as {example}"


def spelled(value: str, accepts: Callable[[str], bool]) -> str:
    """``write "my-name"``: the text in lower case and with dashes, when that alone mends it."""
    mended = re.sub(r"[_ .]", "-", value.strip().lower())
    return f'write "{mended}"' if mended != value and accepts(mended) else ""


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
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, list):
        here = place / key
        for index, item in enumerate(found):
            yield here.item(index), item if isinstance(item, dict) else {}


def every_container(spec: Node, place: Place) -> Iterator[tuple[Place, Node]]:
    """All containers of a pod and their places, whatever kind they are of."""
    for part in ("initContainers", "containers", "ephemeralContainers"):
        yield from items(spec, part, place)


@lru_cache(maxsize=_REMEMBERED)
def is_label(value: str) -> bool:
    """A DNS label of RFC 1123."""
    return len(value) <= 63 and re.fullmatch(_LABEL, value) is not None


@lru_cache(maxsize=_REMEMBERED)
def is_subdomain(value: str) -> bool:
    """A DNS subdomain of RFC 1123."""
    return len(value) <= 253 and re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", value) is not None


def is_service_label(value: str) -> bool:
    """A DNS label of RFC 1035: a letter comes first."""
    return is_label(value) and not value[0].isdigit()


@lru_cache(maxsize=_REMEMBERED)
def is_label_value(value: str) -> bool:
    """The value of a label; it may be empty."""
    return not value or (len(value) <= 63 and re.fullmatch(_NAME, value) is not None)


@lru_cache(maxsize=_REMEMBERED)
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
        yield invalid(place, value, f"allowed: {allowed}", spelled(value, is_label) or _shorter(value, 63, "data-1"))


def subdomain_name(place: Place, value: str) -> Iterator[Cause]:
    """A name that must be a DNS subdomain."""
    if not is_subdomain(value):
        form = "allowed: lower-case letters, digits, - and ., a letter or digit at both ends"
        yield invalid(place, value, form, spelled(value, is_subdomain) or _shorter(value, 253, "team-data"))


def qualified_name(place: Place, value: str) -> Iterator[Cause]:
    """A name of the form of label keys."""
    if not is_qualified(value):
        form = "allowed: letters, digits, -, _ and ., with a domain and a / before them or not"
        yield invalid(
            place, value, form, "write a key such as team or example.com/team, 63 characters behind the / at most"
        )


def labels(place: Place, entries: Node) -> Iterator[Cause]:
    """Keys and values of labels, or of anything that is compared with labels. All causes name the whole map."""
    for key, value in entries.items():
        if not is_qualified(key):
            yield from qualified_name(place.key(key).shown_as(place), key)
        if isinstance(value, str) and not is_label_value(value):
            form = "allowed: letters, digits, -, _ and . (63 at most)"
            yield invalid(place.key(key).shown_as(place), value, form, "shorten it; freer texts go into annotations")


def bytes_of(value: str) -> int:
    """How long a text is where it is counted in bytes."""
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


def annotated(place: Place, entries: Node) -> Iterator[Cause]:
    """Annotations: their keys, whose case does not matter, and their size together. All causes name the whole map."""
    for key in entries:
        if not is_qualified(key.lower()):
            yield from qualified_name(place.key(key).shown_as(place), key)
    if entries:
        size = sum(bytes_of(key) + bytes_of(str(value)) for key, value in entries.items())
        if size > MOST_ANNOTATED:
            yield too_long(place, size, MOST_ANNOTATED)


def one_of(place: Place, value: str, allowed: tuple[str, ...]) -> Iterator[Cause]:
    """A choice; an empty value stands for the default."""
    if value and value not in allowed:
        yield unsupported(place, value, allowed)


def choice(holder: Node, place: Place, field: str, allowed: tuple[str, ...]) -> Iterator[Cause]:
    """A choice that may be left out; an empty text is none."""
    value = holder.get(field)
    if isinstance(value, str) and value not in allowed:
        yield unsupported(place / field, value, allowed)


def needed(holder: Node, place: Place, *fields: str) -> Iterator[Cause]:
    """Texts and lists that may be neither missing nor empty."""
    for field in fields:
        if not holder.get(field):
            yield required(place / field)


def not_negative(holder: Node, place: Place, *fields: str) -> Iterator[Cause]:
    """Numbers that may not be below zero."""
    for field in fields:
        value = number(holder, field)
        if value is not None and value < 0:
            yield invalid(place / field, value, "allowed: 0 or more", f"write 0 or more, or leave {field} out")


def relative_path(place: Place, value: str) -> Iterator[Cause]:
    """A path that stays below where it starts."""
    if value.startswith("/"):
        yield invalid(place, value, "it must be a relative path", "leave the / at its beginning out")
    yield from no_backsteps(place, value)


def no_backsteps(place: Place, value: str) -> Iterator[Cause]:
    """A path without steps upwards."""
    if ".." in value.split("/"):
        yield invalid(place, value, "it may not contain ..", "leave .. out of the path")


def file_path(place: Place, value: str) -> Iterator[Cause]:
    """A relative path in a volume; names that begin with two dots are the kubelet's own."""
    yield from relative_path(place, value)
    if value.startswith("..") and not value.startswith("../"):
        yield invalid(place, value, "it may not begin with ..", "give the file a name without dots at its beginning")


def port_number(place: Place, value: int) -> Iterator[Cause]:
    """A port."""
    if not 1 <= value <= 65535:
        yield invalid(place, value, "allowed: 1 to 65535", "write the number of a port, such as 8080")


def port_name(place: Place, value: str) -> Iterator[Cause]:
    """The name of a port: an IANA service name."""
    form = len(value) <= 15 and re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", value) is not None
    if not form or "--" in value or not re.search(r"[a-z]", value):
        allowed = "allowed: up to 15 lower-case letters, digits and -, one letter at least"
        yield invalid(place, value, allowed, "write a short name such as http, or the port's number")
