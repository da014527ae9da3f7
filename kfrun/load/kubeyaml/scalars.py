"""What a YAML scalar means to kubectl: go-yaml v2's types, then the JSON that Kubernetes makes of them.

Two steps, because mapping keys see the first only:

1. `resolve`: text and tag to str, int, float, bool or None.
2. `json_value` for values (whole floats become integers, infinities are refused), `key_text` for mapping keys.

The observable rules come from sigs.k8s.io/yaml v1.6, the reader inside kubectl; tests/load/data holds what it
answered to 182 texts.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from kfrun.patterns import pattern

if TYPE_CHECKING:
    import re

Scalar = str | int | float | bool | None

_PREFIX: Final = "tag:yaml.org,2002:"
STR: Final = _PREFIX + "str"
MERGE: Final = _PREFIX + "merge"
BINARY: Final = _PREFIX + "binary"
FLOAT: Final = _PREFIX + "float"

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_UINT64_MAX: Final = 2**64 - 1
_SURELY_INT64: Final = 19
"""Digits of the smallest number that may be too large."""

WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
"""Plain words that are no strings."""

_NUMBER_START: Final = frozenset("+-.0123456789")
_INTEGER: Final = pattern(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))")
_FLOAT: Final = pattern(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DOT_FLOAT: Final = pattern(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_TIMESTAMP: Final = pattern(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?P<t>[Tt ])([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.[0-9]+)?(?P<zone>Z|[-+][0-9]{2}:[0-9]{2})?)?"
)


class BadScalar(ValueError):
    """A scalar that kubectl refuses; ``args`` are our message and a hint (or None)."""


@lru_cache(maxsize=4096)
def plain(text: str) -> Scalar:
    """What an untagged plain scalar is, as go-yaml types it."""
    if text in WORDS:
        return WORDS[text]
    return _number(text) if text[0] in _NUMBER_START else text


def resolve(tag: str | None, text: str, *, is_plain: bool) -> Scalar:
    """What a scalar is, as go-yaml types it.

    Args:
        tag: the long form of the tag, None without one.
        text: the scalar's content.
        is_plain: neither quoted nor a block (or quoted behind the non-specific tag ``!``).

    Raises:
        BadScalar: the text does not fit its tag.
    """
    if is_plain:
        return plain(text)
    if tag is None:
        return text
    if tag == BINARY:
        return _binary(text)
    wanted = _TAGGED.get(tag)
    if wanted is None:
        return text
    value = plain(text)
    if tag == FLOAT and type(value) is int and _INT64_MIN <= value <= _INT64_MAX:
        return float(value)
    if (tag == _TIMESTAMP_TAG and not _is_timestamp(text)) or type(value) is not wanted:
        short = "!!" + tag.removeprefix(_PREFIX)
        raise BadScalar(f"{_shown(text)} is not a {short}", f"remove the tag {short} or mend the value")
    return value


_TIMESTAMP_TAG: Final = _PREFIX + "timestamp"
_TAGGED: Final[dict[str, type]] = {
    _PREFIX + "bool": bool,
    _PREFIX + "int": int,
    FLOAT: float,
    _PREFIX + "null": type(None),
    _TIMESTAMP_TAG: str,
}
"""Tags whose text is checked; a text under any other tag (``!!str``, ``!mine``) is a string."""


def json_value(value: Scalar) -> Scalar:
    """The value as Kubernetes sees it after YAML became JSON: whole floats within 64 bits are integers.

    Raises:
        BadScalar: an infinity or not a number, which JSON cannot hold.
    """
    if type(value) is not float:
        return value
    if not math.isfinite(value):
        name = "a number that is not a number" if math.isnan(value) else "an infinite number"
        raise BadScalar(f"{name} cannot be sent to Kubernetes", "quote it if a string is meant")
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    # JSON carries the shortest digits that name the float, padded with zeros: not always the float's exact value.
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction.rstrip("0").ljust(int(exponent or 0), "0")
    number = int(digits)
    return number if _INT64_MIN <= number <= _INT64_MAX else value


def key_text(value: Scalar) -> str:
    """The JSON name that a mapping key gets.

    Raises:
        BadScalar: null, or an integer beyond 63 bits.
    """
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float:
        return _float32_text(value)
    if type(value) is int and value <= _INT64_MAX:
        return str(value)
    found = "null" if value is None else "an integer of more than 63 bits"
    raise BadScalar(f"a key cannot be {found}", "quote the key")


def _number(text: str) -> Scalar:
    if text.isascii() and text.isdecimal() and text[0] != "0" and len(text) < _SURELY_INT64:
        return int(text)  # nearly every number
    if text[0] == ".":
        return _float(text) if _DOT_FLOAT.fullmatch(text) else text
    digits = text.replace("_", "")
    match = _INTEGER.fullmatch(digits)
    if match:
        number = _integer(match)
        if number is not None:
            return number
    value = _float(digits) if _FLOAT.fullmatch(digits) else digits
    return value if type(value) is float else text


def _integer(match: re.Match[str]) -> int | None:
    sign, hexadecimal, binary, octal, decimal = match.groups()
    digits = hexadecimal or binary or octal or decimal
    if len(digits) > 64:  # at least that many bits, leading zeros aside; int() refuses thousands of digits
        digits = digits.lstrip("0") or "0"
        if len(digits) > 64:
            return None
    base = 16 if hexadecimal else 2 if binary else 8 if octal else 10
    number = int(digits, base)
    if sign == "-":
        number = -number
    largest = _INT64_MAX if sign else _UINT64_MAX
    return number if _INT64_MIN <= number <= largest else None


def _float(text: str) -> float | str:
    value = float(text)
    return text if math.isinf(value) else value


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text)
    if match is None or (match["t"] not in (None, " ")) != (match["zone"] is not None):
        return False
    from datetime import datetime

    try:
        datetime(*(int(part or 0) for part in match.group(1, 2, 3, 5, 6, 7)))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return False
    return True


def _binary(text: str) -> str:
    import base64

    try:
        raw = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:
        raise BadScalar(f"{_shown(text)} is not base64, as !!binary demands", None) from None
    return raw.decode("utf-8", errors="replace")


def _float32_text(value: float) -> str:
    """The shortest decimal that names the nearest 32-bit float: how kubectl writes a float that is a key."""
    import struct

    special = {math.inf: ".inf", -math.inf: "-.inf"}.get(value) or (".nan" if math.isnan(value) else None)
    if special is None:
        try:
            single = struct.pack("<f", value)
        except OverflowError:
            return ".inf" if value > 0 else "-.inf"
        rounded = struct.unpack("<f", single)[0]
        shortest = next(text for digits in range(1, 18) if _packs_to(text := f"{rounded:.{digits - 1}e}", single))
        special = _general(shortest)
    return special


def _packs_to(text: str, single: bytes) -> bool:
    import struct

    try:
        return struct.pack("<f", float(text)) == single
    except OverflowError:
        return False


def _general(scientific: str) -> str:
    """Rewrite ``d.ddde+XX`` as Go's shortest %g does: exponents from -4 to 5 are spelt out."""
    from decimal import Decimal

    number = Decimal(scientific)
    power = number.adjusted() if number else 0
    if -4 <= power < 6:
        return format(number, "f")
    mantissa, _, _ = scientific.partition("e")
    return f"{mantissa}e{power:+03d}"


def _shown(text: str) -> str:
    import json

    return json.dumps(text if len(text) <= 40 else text[:39] + "…", ensure_ascii=False)
