"""Names, namespaces, labels and annotation keys, as the API server takes them. The table in `cel` has them.

Names become parts of paths and host names, so a name that these rules let through is safe as both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kfrun.patterns import pattern
from kfrun.validate.admission.causes import is_label_value, is_qualified, is_subdomain
from kfrun.validate.located import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

LABEL_LENGTH: Final = 63
SUBDOMAIN_LENGTH: Final = 253
ANNOTATIONS_BYTES: Final = 256 * 1024

_TRAIN_JOB = pattern(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_TEXT = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL = pattern(_LABEL_TEXT)
_SUBDOMAIN = pattern(rf"{_LABEL_TEXT}(\.{_LABEL_TEXT})*")

_TRAIN_JOB_FORM = "a lower-case letter first, then lower-case letters, digits and -, no - at the end"
_LABEL_FORM = "lower-case letters, digits and -, a letter or digit at both ends"
_SUBDOMAIN_FORM = "lower-case letters, digits, - and ., a letter or digit at both ends"
_QUALIFIED_FORM = "letters, digits, -, _ and ., a letter or digit at both ends"


def train_job(data: dict[str, Any]) -> Iterator[Problem]:
    """An RFC 1035 label: the TrainJob's name becomes the name of a Service. CEL rule of the CRD."""
    yield from _name(data, _TRAIN_JOB, _TRAIN_JOB_FORM, LABEL_LENGTH)
    yield from _namespace(data)


def runtime(data: dict[str, Any]) -> Iterator[Problem]:
    """A DNS subdomain: the API server's rule for custom resources."""
    yield from _name(data, _SUBDOMAIN, _SUBDOMAIN_FORM, SUBDOMAIN_LENGTH)
    yield from _namespace(data)


def core_object(data: dict[str, Any]) -> Iterator[Problem]:
    """A DNS label for a Namespace, a DNS subdomain for the others."""
    if data.get("kind") == "Namespace":
        yield from _name(data, _LABEL, _LABEL_FORM, LABEL_LENGTH)
    else:
        yield from runtime(data)


def labels(data: dict[str, Any]) -> Iterator[Problem]:
    """Keys and values of labels, keys of annotations and their size altogether."""
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    for field in ("labels", "annotations"):
        entries = metadata.get(field)
        for key, value in entries.items() if isinstance(entries, dict) else ():
            yield from _key(field, key)
            if field == "labels" and isinstance(value, str):
                yield from _label_value(key, value)
    annotations = metadata.get("annotations")
    texts = annotations.items() if isinstance(annotations, dict) else ()
    size = sum(len(str(part).encode("utf-8", "replace")) for pair in texts for part in pair)
    if size > ANNOTATIONS_BYTES:
        message = f"the annotations have {size} bytes; at most {ANNOTATIONS_BYTES} are allowed"
        yield Problem("KF311", ("metadata", "annotations"), message, at="key")


def owners(data: dict[str, Any]) -> Iterator[Problem]:
    """Owners say what they are, one of them at most controls the object; finalizers have the form of keys."""
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    references, finalizers = metadata.get("ownerReferences"), metadata.get("finalizers")
    if isinstance(references, list):
        yield from _owners([one if isinstance(one, dict) else {} for one in references])
    if isinstance(finalizers, list):
        yield from _finalizers(finalizers)


def _owners(references: list[dict[str, Any]]) -> Iterator[Problem]:
    at = ("metadata", "ownerReferences")
    for index, one in enumerate(references):
        for field in ("apiVersion", "kind", "name", "uid"):
            if one.get(field) == "":
                yield Problem("KF313", (*at, index, field), f"{field} of an owner must not be empty")
    controllers = [str(one.get("name")) for one in references if one.get("controller") is True]
    if len(controllers) > 1:
        message = f"{' and '.join(controllers)} have controller: true; one owner can"
        yield Problem("KF313", at, message, "leave it to one of them", "key")


def _finalizers(names: list[Any]) -> Iterator[Problem]:
    at = ("metadata", "finalizers")
    for index, name in enumerate(names):
        if isinstance(name, str) and not is_qualified(name):
            message = f'"{name}" is no finalizer; allowed: a name such as example.com/backup'
            yield Problem("KF313", (*at, index), message)
    if {"orphan", "foregroundDeletion"} <= {name for name in names if isinstance(name, str)}:
        yield Problem("KF313", at, "orphan and foregroundDeletion exclude each other", "remove one of them", "key")


def _name(data: dict[str, Any], form: re.Pattern[str], words: str, longest: int) -> Iterator[Problem]:
    metadata = data.get("metadata")
    if not isinstance(metadata, dict):
        return
    path = ("metadata", "name")
    name = metadata.get("name")
    if name is None or name == "":
        hint = None
        if metadata.get("generateName"):
            hint = "generateName is for kfrun create -f, which makes a name of it; here an object is found by its name"
        yield Problem("KF203", path, 'required field "name" is missing', hint, "parent")
    elif isinstance(name, str):
        yield from _formed("KF301", path, name, form, words, longest)


def _namespace(data: dict[str, Any]) -> Iterator[Problem]:
    metadata = data.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    if isinstance(namespace, str) and namespace:
        path = ("metadata", "namespace")
        yield from _formed("KF301", path, namespace, _LABEL, _LABEL_FORM, LABEL_LENGTH)


def _formed(
    code: str, path: tuple[str, ...], text: str, form: re.Pattern[str], words: str, longest: int
) -> Iterator[Problem]:
    if not form.fullmatch(text):
        shown = text if len(text) <= 80 else text[:77] + "..."
        yield Problem(code, path, f'"{shown}" is no valid {path[-1]}; allowed: {words}', _spelled(text, form))
    elif len(text) > longest:
        yield Problem(code, path, f"{path[-1]} has {len(text)} characters; at most {longest} are allowed")


def _spelled(text: str, form: re.Pattern[str]) -> str | None:
    """The text in lower case and with dashes, when that alone mends it."""
    mended = re.sub(r"[_ ]", "-", text.lower())
    return f'write "{mended}"' if form.fullmatch(mended) else None


def _key(field: str, key: str) -> Iterator[Problem]:
    # the prefix of an annotation may have capitals
    judged = key.lower() if field == "annotations" else key
    if is_qualified(judged):
        return
    path = ("metadata", field, key)
    prefix, slash, name = key.rpartition("/")
    if slash and not is_subdomain(judged.rpartition("/")[0]):
        message = f'"{prefix}" is no valid prefix of a key; allowed: a DNS name such as example.com'
        yield Problem("KF311", path, message, at="key")
    else:
        message = f'"{name}" is no valid key; allowed: up to {LABEL_LENGTH} {_QUALIFIED_FORM}'
        yield Problem("KF311", path, message, at="key")


def _label_value(key: str, value: str) -> Iterator[Problem]:
    if not is_label_value(value):
        message = f'"{value}" is no valid label; allowed: up to {LABEL_LENGTH} {_QUALIFIED_FORM}'
        yield Problem("KF311", ("metadata", "labels", key), message, "longer or freer texts go into annotations")
