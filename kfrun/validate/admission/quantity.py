"""Kubernetes quantities (``500m``, ``1.5Gi``, ``2e3``): value and canonical text.

The rules are those of the API server: three families of suffixes, nothing finer than 1n, and (nearly) one canonical
text for equal amounts of the same family. All arithmetic is in whole nanos: `decimal` costs 4 ms of start-up.
"""

from __future__ import annotations

import re
from functools import lru_cache

from kfrun.patterns import pattern

_TEXT = pattern(r"([+-]?)(\d*)(?:\.(\d*))?([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_BY_EXPONENT = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_ONE = 10**9
_MAX = (2**63 - 1) * _ONE
_INT64_DIGITS = 18
_LONGEST = 100
"""No quantity worth computing is longer; a text of a million digits must not cost a second."""


@lru_cache(maxsize=256)
def nanos(text: str) -> int | None:
    """The amount that ``text`` stands for, in units of 1n and rounded up, or None when it is no quantity."""
    match = _TEXT.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or not (match[2] or match[3]):
        return None
    fraction, suffix = match[3] or "", match[4] or ""
    number: int = int(match[2] + fraction) * _ONE
    divisor: int = 10 ** len(fraction)
    if suffix.endswith("i"):
        number *= 1024 ** _BINARY.index(suffix)
    else:
        exponent = max(-_LONGEST, min(_LONGEST, _exponent(suffix)))
        number, divisor = number * 10 ** max(exponent, 0), divisor * 10 ** max(-exponent, 0)
    amount: int = min(_MAX, -(-number // divisor))
    return -amount if match[1] == "-" else amount


def _exponent(suffix: str) -> int:
    return int(suffix[1:]) if suffix[1:] else _DECIMAL[suffix]


def ceiling(text: str) -> int:
    """The amount rounded up to a whole number, 0 when ``text`` is no quantity (``2500m`` is 3)."""
    amount = nanos(text)
    return 0 if amount is None else -(-amount // _ONE)


@lru_cache(maxsize=256)
def canonical(text: str) -> str | None:
    """The text that the API server writes for ``text`` (``0.5Gi`` is ``512Mi``), None when it is no quantity."""
    amount = nanos(text)
    if amount is None or _is_kept(text):
        return None if amount is None else text
    return written(amount, like=text)


def written(amount: int, *, like: str) -> str:
    """The canonical text of an amount in units of 1n, with suffixes of the family that ``like`` has."""
    if amount == 0:
        return "0"
    if like.endswith("i") and abs(amount) >= 1024 * _ONE and amount % _ONE == 0:
        return _binary(amount // _ONE)
    return _decimal(amount, exponential=re.search(r"[eE][+-]?\d", like) is not None)


def _is_kept(text: str) -> bool:
    """Whether the API server takes ``text`` for canonical as it stands: ``1.500`` is, ``1.50`` (``1500m``) is not."""
    match = _TEXT.fullmatch(text)
    assert match is not None
    whole, fraction, suffix = match[2].lstrip("0") or "0", match[3] or "", match[4] or ""
    digits = whole + fraction
    if suffix.endswith("i"):
        power = 10 * _BINARY.index(suffix)
        return not fraction and len(digits) + power * 3 // 10 <= 14 and int(digits) % 8 != 0
    scale = _exponent(suffix) - len(fraction)
    short = len(digits) <= _INT64_DIGITS and scale >= -9 and scale % 3 == 0
    return short and not digits.endswith("000") and digits[0] != "0"


def _binary(amount: int) -> str:
    power = 0
    while amount % 1024 == 0 and power < len(_BINARY) - 1:
        amount //= 1024
        power += 1
    return f"{amount}{_BINARY[power]}"


def _decimal(amount: int, *, exponential: bool) -> str:
    """The shortest mantissa whose exponent is a multiple of three."""
    exponent = -9
    while amount % 1000 == 0 and exponent < 18:
        amount //= 1000
        exponent += 3
    suffix = (f"e{exponent}" if exponent else "") if exponential else _DECIMAL_BY_EXPONENT[exponent]
    return f"{amount}{suffix}"
