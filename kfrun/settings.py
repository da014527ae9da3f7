"""The settings and where each came from: flag > ``KFRUN_*`` > project ``kfrun.toml`` > user ``config.toml`` > default.

They are loaded once a command, and handed on as the `Settings` value. At most two files are read, and tomllib is
imported only when one of them exists.
"""

from __future__ import annotations

import os
import re
import stat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kfrun import paths
from kfrun.errors import UsageProblem
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECT_FILE = "kfrun.toml"
TABLES = ("lint", "clusters")
"""Tables of the files that are read by the verb that they are for, see `tables`."""

INSTALLERS = ("auto", "uv", "pip")
COLORS = ("auto", "always", "never")
BACKENDS: tuple[str, ...] = ("process", "memory")
"""What can carry a job out. Named here because the setting, the flag and the planner must agree."""

MISSING_RUNTIME = ("error", "warn", "ignore")
TRAINER_VERSION = "v2.3"
RUNS_KEEP = 20

_IN_TABLES = {
    ("logs", "max-size"): "logs_max_size",
    ("runs", "keep"): "runs_keep",
    ("runtimes", "sources"): "runtime_sources",
    ("input", "exclude"): "exclude",
}
"""Keys that stand in a table of the files, by the table and their name there."""

_SIZE = r"([0-9]{1,15})([kmgt]?)(i?)b?"
_LEAST_SIZE = 1024

_NAMESPACE = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_VERSION = r"v?(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})(\.\d{1,3})?"
"""A release, as its tags, packages and clusters call it."""


class SettingOrigin(NamedTuple):
    """Which layer a value came from (``flag``, ``environment``, ``project``, ``user``, ``default``), and its name."""

    layer: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.layer} {self.detail}".rstrip()


class Settings(NamedTuple):
    """Everything that a command takes from its surroundings. A tuple, because dataclasses cost start-up time.

    Attributes:
        home: holds state and cache when set; otherwise the XDG folders do.
        state_dir: objects, logs and what runs.
        cache_dir: Python environments and what else can be made anew.
        namespace: for objects that name none.
        backend: what carries jobs out where the manifest does not say.
        trainer_version: of the Trainer API whose schemas and rules apply (``v2.3``).
        installer: ``auto`` takes uv when it is there.
        missing_runtime: what it is to `validate` and `lint` that a job's runtime is not there.
        strict: refuse what the backend cannot honour.
        color: ``auto`` colours terminals.
        retry_delay: seconds before the first retry; each further one waits twice as long.
        max_retry_delay: seconds, the longest wait between two attempts; before a failed pod is replaced, twice that.
        logs_max_size: the log of an attempt is kept at it, like `100Mi`; the oldest goes first, and the log says so.
        runtime_sources: where runtimes are that jobs refer to: files, folders, https:// and github:// addresses.
        refresh: ask sources of runtimes again, however young what is kept of them is.
        exclude: files and folders that are left out when a folder is read, written as in a .gitignore.
        runs_keep: how many runs of a job are kept with their logs, the latest included.
        origins: where each value came from, by key.
    """

    home: str | None
    state_dir: str
    cache_dir: str
    namespace: str = "default"
    backend: str = "process"
    trainer_version: str = TRAINER_VERSION
    installer: str = "auto"
    missing_runtime: str = "error"
    strict: bool = False
    color: str = "auto"
    retry_delay: float = 10.0
    max_retry_delay: float = 300.0
    logs_max_size: str = ""
    exclude: tuple[str, ...] = ()
    runtime_sources: tuple[str, ...] = ()
    refresh: bool = False
    runs_keep: int = RUNS_KEEP
    origins: Mapping[str, SettingOrigin] = MappingProxyType({})


KEYS: tuple[str, ...] = tuple(name for name in Settings._fields if name != "origins")
_PATHS = ("home", "state_dir", "cache_dir")
_CHOICES = {"installer": INSTALLERS, "color": COLORS, "backend": BACKENDS, "missing_runtime": MISSING_RUNTIME}


def load(flags: Mapping[str, Any], environ: Mapping[str, str], folder: str | os.PathLike[str]) -> Settings:
    """The settings of a command run in ``folder``, an absolute path. Flags that are None were not given.

    Raises:
        UsageProblem: an unknown key, a value that makes no sense, or a file that cannot be read.
    """
    values: dict[str, Any] = {}
    origins: dict[str, SettingOrigin] = {}
    for key, value, origin in _layers(flags, environ, os.fspath(folder)):
        # what the command line lists comes before what files do, and not in its place
        more = values.get(key, ()) if isinstance(value, tuple) and origin.layer == "flag" else ()
        values[key], origins[key] = (*value, *more) if more else value, origin
    _add_folders(values, origins, environ)
    for key in KEYS:
        origins.setdefault(key, SettingOrigin("default"))
    if values.get("max_retry_delay", 300.0) < values.get("retry_delay", 0.0):
        # A longer first wait was asked for: the default limit must not contradict it.
        if origins["max_retry_delay"].layer != "default":
            raise UsageProblem("max_retry_delay is shorter than retry_delay")
        values["max_retry_delay"] = values["retry_delay"]
    return Settings(**values, origins=origins)


def tables(name: str, environ: Mapping[str, str], folder: str | os.PathLike[str]) -> list[tuple[str, dict[str, Any]]]:
    """The table ``name``, one of `TABLES`, of the user's and of the project's file, the weaker one first.

    Raises:
        UsageProblem: a file cannot be read, or holds something else by that name.
    """
    found = []
    for path in (_user_file(environ), _project_file(os.fspath(folder))):
        table = _parse(path)[0].get(name) if path is not None and _is_file(path) else None
        if path is None or table is None:
            continue
        if not isinstance(table, dict):
            raise UsageProblem(f"{path}: {name}: expected a table, [{name}]")
        found.append((path, table))
    return found


def uses_color(setting: str, environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Whether to colour a stream: the setting, then NO_COLOR, FORCE_COLOR, then what the stream is."""
    if setting != "auto":
        return setting == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal and environ.get("TERM") != "dumb" and not environ.get("CI")


def _layers(
    flags: Mapping[str, Any], environ: Mapping[str, str], folder: str
) -> Iterator[tuple[str, Any, SettingOrigin]]:
    """Every value given anywhere, the weakest layer first."""
    for layer, path in (("user", _user_file(environ)), ("project", _project_file(folder))):
        if path is not None and _is_file(path):
            origin = SettingOrigin(layer, path)
            yield from ((key, value, origin) for key, value in _read_file(path))
    for key in KEYS:
        name = f"KFRUN_{key.upper()}"
        if environ.get(name):
            value = _anchored(key, _parse_text(key, environ[name], name), folder)
            yield key, value, SettingOrigin("environment", name)
    for key, value in flags.items():
        if value is not None:
            name = f"--{key.replace('_', '-')}"
            yield key, _anchored(key, _check(key, value, name), folder), SettingOrigin("flag", name)


def _add_folders(values: dict[str, Any], origins: dict[str, SettingOrigin], environ: Mapping[str, str]) -> None:
    home = values.setdefault("home", None)
    if home is not None:
        # A home decides both, whatever set the others: tests and sandboxes rely on one switch.
        values.update(state_dir=paths.join(home, "state"), cache_dir=paths.join(home, "cache"))
        origins.update(state_dir=origins["home"], cache_dir=origins["home"])
        return
    for key, variable, default in (
        ("state_dir", "XDG_STATE_HOME", ".local/state"),
        ("cache_dir", "XDG_CACHE_HOME", ".cache"),
    ):
        if key not in values:
            values[key], origins[key] = _xdg(environ, variable, default)


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> tuple[str, SettingOrigin]:
    """The XDG folder of kfrun. A relative value is ignored, as the XDG base directory specification asks."""
    given = environ.get(variable, "")
    if given.startswith("/"):
        return paths.absolute("kfrun", given), SettingOrigin("environment", variable)
    return paths.absolute(f"{default}/kfrun", _user_home(environ)), SettingOrigin("default")


def _user_home(environ: Mapping[str, str]) -> str:
    given = environ.get("HOME", "")
    if given.startswith("/"):
        return given
    found = os.path.expanduser("~")
    if not found.startswith("/"):
        raise UsageProblem("your home folder is unknown", "set HOME or KFRUN_HOME")
    return found


def _user_file(environ: Mapping[str, str]) -> str | None:
    try:
        return paths.join(_xdg(environ, "XDG_CONFIG_HOME", ".config")[0], "config.toml")
    except UsageProblem:
        return None


def _project_file(folder: str) -> str | None:
    """The nearest ``kfrun.toml`` from ``folder`` upward."""
    while True:
        path = paths.join(folder, PROJECT_FILE)
        if _is_file(path):
            return path
        above = paths.parent(folder)
        if above == folder:
            return None
        folder = above


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _read_file(path: str) -> Iterator[tuple[str, Any]]:
    data, text = _parse(path)
    for key, value in _flat(data, path, text):
        if key in TABLES:
            continue
        name = f"{path}:{_line_of(_name_in_file(key), text)}: {_name_in_file(key)}"
        if key not in KEYS:
            raise UsageProblem(f"{name}: unknown key", _known_keys(key))
        yield key, _check(key, _anchored(key, value, paths.parent(path)), name)


def _flat(data: dict[str, Any], path: str, text: str) -> Iterator[tuple[str, Any]]:
    """The keys and values, those of `_IN_TABLES` by their names as settings."""
    known = {table for table, _ in _IN_TABLES}
    for key, value in data.items():
        if key in _IN_TABLES.values():
            table, name = next(place for place, known_key in _IN_TABLES.items() if known_key == key)
            raise UsageProblem(
                f"{path}:{_line_of(key, text)}: {key}: unknown key", f"write {name} in the table [{table}]"
            )
        if key not in known:
            yield key, value
            continue
        if not isinstance(value, dict):
            raise UsageProblem(f"{path}:{_line_of(key, text)}: {key}: expected a table, [{key}]")
        for name, item in value.items():
            if (key, name) not in _IN_TABLES:
                names = ", ".join(known_name for table, known_name in _IN_TABLES if table == key)
                raise UsageProblem(
                    f"{path}:{_line_of(name, text)}: [{key}] {name}: unknown key", f"known keys: {names}"
                )
            yield _IN_TABLES[key, name], str(item) if type(item) is int else item


def places() -> list[tuple[str, str, str]]:
    """Where each setting stands in a file, in its order: the table or none, its name there, its key."""
    known = {key: place for place, key in _IN_TABLES.items()}
    return sorted(((*known.get(key, ("", key)), key) for key in KEYS), key=lambda place: place[0])


def size(text: str) -> int:
    """The bytes of ``10Mi``, ``10M`` or ``10485760``; 0 for none."""
    match = re.fullmatch(_SIZE, text, re.IGNORECASE)
    if match is None:
        return 0
    power = " kmgt".index(match[2].lower() or " ")
    return int(match[1]) * (1 << 10 * power if match[3] else int(10 ** (3 * power)))


def _parse(path: str) -> tuple[dict[str, Any], str]:
    """The tables and values of a file, and its text."""
    import tomllib

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(f"{path} is not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise UsageProblem(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise UsageProblem(f"{path} cannot be read: {error.strerror}") from None


def _anchored(key: str, value: object, folder: str) -> object:
    """Folders in a file are relative to the file, or to the user's home with ``~``; so are patterns with a slash."""
    if key == "exclude" and isinstance(value, list | tuple):
        return tuple(_anchored_pattern(one, folder) if isinstance(one, str) else one for one in value)
    if key == "runtime_sources" and isinstance(value, list):
        return [_anchored_source(one, folder) for one in value]
    if key not in _PATHS or not isinstance(value, str):
        return value
    return paths.absolute(os.path.expanduser(value), folder)


def _anchored_source(one: object, folder: str) -> object:
    return paths.absolute(os.path.expanduser(one), folder) if isinstance(one, str) and "://" not in one else one


def _anchored_pattern(text: str, folder: str) -> str:
    name = text.removeprefix("!")
    if "/" not in name.rstrip("/") or name.startswith("**/"):
        return text
    slash = "/" if name.endswith("/") else ""
    return text[: len(text) - len(name)] + paths.absolute(name, folder) + slash


def _line_of(key: str, text: str) -> int:
    """The line of a top-level key or table; tomllib does not tell."""
    pattern = re.compile(rf"""^[^\S\n]*+\[*+[^\S\n]*+["']?{re.escape(key)}["']?\s*[]=.]""", re.MULTILINE)
    found = pattern.search(text)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _name_in_file(key: str) -> str:
    return next((name for (_, name), known in _IN_TABLES.items() if known == key), key)


def _known_keys(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key.replace("-", "_").lower(), KEYS, n=1)
    return f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(KEYS)}"


def _parse_text(key: str, text: str, name: str) -> Any:
    """A value of the environment, where everything is text."""
    default = Settings._field_defaults.get(key)
    if isinstance(default, bool):
        known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if text.lower() not in known:
            raise UsageProblem(f"{name}={text}: expected true or false")
        return known[text.lower()]
    if isinstance(default, tuple):
        separator = os.pathsep if key == "exclude" else None
        return _check(key, [one for one in text.split(separator) if one], name)
    if isinstance(default, float):
        try:
            return _check(key, float(text), name)
        except ValueError:
            raise UsageProblem(f"{name}={text}: expected a number of seconds") from None
    return _check(key, text, name)


def _check(key: str, value: Any, name: str) -> Any:
    """``value`` in the type of ``key``; ``name`` is how its giver calls it."""
    default = Settings._field_defaults.get(key)
    if isinstance(default, bool):
        _require(isinstance(value, bool), name, value, "true or false")
        return value
    if isinstance(default, tuple):
        is_list = isinstance(value, list | tuple) and all(isinstance(one, str) and one.strip("/! ") for one in value)
        what = 'patterns, like ["charts/", "*.tmpl.yaml"]' if key == "exclude" else 'sources, like ["runtimes/"]'
        _require(is_list, name, value, f"a list of {what}")
        return tuple(value)
    if isinstance(default, int):
        text = str(value) if type(value) in (int, str) else ""
        _require(text.isascii() and text.isdigit() and len(text) < 7 and int(text), name, value, "a number from 1 on")
        return int(text)
    if isinstance(default, float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        _require(is_number and 0 <= value < float("inf"), name, value, "a number of seconds")
        return float(value)
    _require(isinstance(value, str) and value != "", name, value, "text")
    if key in _PATHS:
        return paths.absolute(value, "/" if value.startswith("/") else os.getcwd())
    return _check_text(key, value, name)


def _check_text(key: str, value: str, name: str) -> str:
    if key in _CHOICES:
        choices = _CHOICES[key]
        _require(value in choices, name, value, " or ".join(choices) if len(choices) < 3 else ", ".join(choices))
    elif key == "namespace":
        _require(re.fullmatch(_NAMESPACE, value), name, value, "lower-case letters, digits and dashes")
    elif key == "logs_max_size":
        _require(value == "0" or size(value) >= _LEAST_SIZE, name, value, "a size of 1Ki or more, like 100Mi, or 0")
    elif key == "trainer_version":
        release = re.fullmatch(_VERSION, value)
        _require(release or value == "head", name, value, "v2.0, v2.1, v2.2, v2.3 or head")
        return f"v{release[1]}.{release[2]}" if release else value
    return value


def _require(holds: object, name: str, value: object, expected: str) -> None:
    if not holds:
        shown = value if isinstance(value, str) and value else repr(value)
        raise UsageProblem(f"{name}: expected {expected}, got {shown}")
