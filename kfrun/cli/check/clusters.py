"""A file of clusters: which release of Trainer each has, where its runtimes are, which registries it takes images of.

The tables ``[clusters.NAME]`` of a TOML file, which may be ``kfrun.toml`` itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.cli import options
from kfrun.errors import NotFound, UsageProblem
from kfrun.flow.checker.releases import Respect
from kfrun.paths import absolute, parent

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS: Final = ("trainer-version", "runtimes", "registries")


def read(path: str, **flags: Any) -> list[Respect]:
    """The clusters of a file, in its order, with the settings that ``flags`` give for all.

    Raises:
        NotFound: there is no such file.
        UsageProblem: it names no cluster, or says something that makes no sense.
    """
    tables = _tables(path)
    return [_cluster(path, name, table, flags) for name, table in tables.items()]


def _tables(path: str) -> Mapping[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            data = tomllib.load(file)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", "write [clusters.NAME] tables into one") from None
    except (OSError, ValueError) as error:
        raise UsageProblem(f"{path} cannot be read as TOML: {error}") from None
    tables = data.get("clusters")
    if not isinstance(tables, dict) or not tables:
        raise UsageProblem(f"{path} names no cluster", 'write [clusters.prod] and trainer-version = "v2.2" below it')
    return tables


def _cluster(path: str, name: str, table: Any, flags: Mapping[str, Any]) -> Respect:
    where = f"{path}: clusters.{name}"
    if not isinstance(table, dict):
        raise UsageProblem(f"{where}: expected a table, [clusters.{name}]")
    unknown = next((key for key in table if key not in _KEYS), None)
    if unknown is not None:
        raise UsageProblem(f"{where}.{unknown}: unknown key", f"known keys: {', '.join(_KEYS)}")
    version = table.get("trainer-version")
    if not isinstance(version, str | None):
        raise UsageProblem(f"{where}.trainer-version: expected a text such as v2.2, got {version!r}")
    runtimes = tuple(_anchored(one, path) for one in _texts(table, "runtimes", where))
    given = {**flags, "runtime_sources": (*runtimes, *(flags.get("runtime_sources") or ())) or None}
    settings = options.load_settings(trainer_version=version, **given)
    return Respect(name, settings, _texts(table, "registries", where))


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise UsageProblem(f"{where}.{key}: expected a list of texts, got {found!r}")
    return tuple(found)


def _anchored(source: str, path: str) -> str:
    import os

    return source if "://" in source else absolute(source, parent(os.path.abspath(path)))
