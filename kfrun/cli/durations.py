"""Spans and points of time on the command line: ``90s``, ``1h30m``, RFC 3339."""

from __future__ import annotations

import re

from kfrun.errors import UsageProblem

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_PART = rf"({_NUMBER})(ms|s|m|h|d)"


def parse_duration(text: str, option: str) -> float:
    """Seconds of ``10m``, ``1h30m``, ``1.5s``, ``2d`` or a bare number of seconds.

    Raises:
        UsageProblem: it is no duration; ``option`` is named.
    """
    compact = text.strip()
    if re.fullmatch(_NUMBER, compact):
        return float(compact)
    if not re.fullmatch(rf"(?:{_PART})+", compact):
        raise UsageProblem(f'{option}: "{text}" is no duration', "write 30s, 10m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, compact))


def parse_since(text: str, option: str, now: float) -> float:
    """Seconds since the epoch: so long before ``now``, or an RFC 3339 time.

    Raises:
        UsageProblem: it is neither.
    """
    from kfrun.report.table import epoch

    if "T" in text.upper():
        found = epoch(text.upper())
        if found is None:
            raise UsageProblem(f'{option}: "{text}" is no RFC 3339 time', "write it like 2026-11-21T09:30:00Z")
        return found
    return now - parse_duration(text, option)
