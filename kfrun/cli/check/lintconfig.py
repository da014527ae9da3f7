"""The table ``[lint]`` of the settings' files, and the flags that go before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kfrun import settings
from kfrun.errors import UsageProblem
from kfrun.model.source import Severity
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kfrun.validate.lint.subject import Choice

LISTS: Final = ("enable", "disable", "required_labels", "registries")
KEYS: Final = (*LISTS, "severity")


def load(environ: Mapping[str, str], *, enable: Sequence[str], disable: Sequence[str]) -> Choice:
    """What the user's file, the project's file and the flags say together; the later ones win.

    Raises:
        UsageProblem: an unknown key or code, or a value of a wrong type.
    """
    from kfrun.validate.lint.subject import Choice

    choice = Choice()
    for path, table in settings.tables("lint", environ, Path.cwd()):
        choice = _with_table(choice, table, f"{path}: lint")
    _require_codes(enable, "--enable")
    _require_codes([code for code in disable if code != "all"], "--disable")
    return _switched(choice, enable, disable)


class PolicyState(NamedTuple):
    """A policy as it is in force, and where that was said last: a file, a flag, or ``default``."""

    code: str
    is_on: bool
    severity: Severity
    origin: str


def states(environ: Mapping[str, str], *, enable: Sequence[str], disable: Sequence[str]) -> list[PolicyState]:
    """Every policy, as `load` gives it.

    Raises:
        UsageProblem: see `load`.
    """
    from kfrun.validate.lint.table import CODES

    choice = load(environ, enable=enable, disable=disable)
    origins = dict.fromkeys(CODES, "default")
    for path, table in settings.tables("lint", environ, Path.cwd()):
        said = {*table.get("enable", ()), *table.get("disable", ()), *table.get("severity", {})}
        origins.update(dict.fromkeys(CODES if "all" in said else said, path))
    for flag, codes in (("--disable", disable), ("--enable", enable)):
        origins.update(dict.fromkeys(CODES if "all" in codes else codes, flag))
    return [
        PolicyState(code, choice.is_on(code), choice.severities.get(code, Severity.WARNING), origin)
        for code, origin in origins.items()
    ]


def _with_table(choice: Choice, table: Mapping[str, Any], name: str) -> Choice:
    for key, value in table.items():
        if key not in KEYS:
            raise UsageProblem(f"{name}.{key}: unknown key", f"known keys: {', '.join(KEYS)}")
        if key != "severity" and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise UsageProblem(f"{name}.{key}: expected a list of texts, got {value!r}")
    enable, disable = table.get("enable", ()), table.get("disable", ())
    _require_codes(enable, f"{name}.enable")
    _require_codes([code for code in disable if code != "all"], f"{name}.disable")
    choice = _switched(choice, enable, disable)
    return choice._replace(
        severities={**choice.severities, **_severities(table.get("severity", {}), f"{name}.severity")},
        required_labels=tuple(table.get("required_labels", choice.required_labels)),
        registries=tuple(table.get("registries", choice.registries)),
    )


def _switched(choice: Choice, enable: Iterable[str], disable: Iterable[str]) -> Choice:
    """The choice with what a stronger layer switches on and off."""
    on, off = frozenset(enable), frozenset(disable)
    kept = frozenset() if "all" in off else choice.enabled - off
    return choice._replace(enabled=kept | on, disabled=(choice.disabled | off) - on)


def _severities(given: Any, name: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise UsageProblem(f'{name}: expected a table such as {{ KF701 = "error" }}, got {given!r}')
    _require_codes(given, name)
    wrong = next((value for value in given.values() if value not in tuple(Severity)), None)
    if wrong is not None:
        raise UsageProblem(f"{name}: expected {' or '.join(Severity)}, got {wrong!r}")
    return {code: Severity(value) for code, value in given.items()}


def _require_codes(codes: Iterable[str], name: str) -> None:
    from kfrun.validate.lint.table import CODES

    for code in codes:
        if code not in CODES:
            raise UsageProblem(f'{name}: "{code}" is no lint policy', f"policies: {', '.join(CODES)}")
