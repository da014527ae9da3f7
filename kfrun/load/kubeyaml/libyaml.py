"""libyaml's parser and the events that it gives, without the rest of PyYAML; nothing else of load imports these.

Importing PyYAML runs its own reader, scanner, parser, constructors and emitters: 9 ms of the 65 that a small
``kfrun validate`` would take. libyaml's parser needs of them the names of the errors that it may raise. So the package
``yaml`` is put where it belongs without having run, and it runs as soon as anybody asks it for anything: who imports it
later finds it whole. Where anything is not as expected, it is imported as everybody does it.
"""

from __future__ import annotations

import sys
from _thread import RLock
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGE = "yaml"
_RAISED = {
    "reader": "ReaderError", "scanner": "ScannerError", "parser": "ParserError", "composer": "ComposerError",
    "constructor": "ConstructorError", "emitter": "EmitterError", "serializer": "SerializerError",
    "representer": "RepresenterError",
}  # fmt: skip
"""Module -> the error of it that libyaml's parser and emitter raise; nothing else of these modules do they ask for."""

_RUNNING = RLock()
_IS_RUNNING = "_is_running"


class _Postponed(ModuleType):
    """A package that has not run yet."""

    def __getattr__(self, name: str) -> Any:
        # other threads wait here until it has run
        with _RUNNING:
            if type(self) is _Postponed:
                if _IS_RUNNING in self.__dict__:
                    # what it asks itself for while it runs is there, or it is not
                    raise AttributeError(name)
                self.__dict__[_IS_RUNNING] = True
                try:
                    _run(self)
                finally:
                    del self.__dict__[_IS_RUNNING]
                self.__class__ = ModuleType  # type: ignore[assignment]
        return getattr(self, name)


def _run(package: ModuleType) -> None:
    """Make the package what it would be had it been imported by anybody else."""
    assert package.__spec__ is not None
    assert package.__spec__.loader is not None
    package.__spec__.loader.exec_module(package)
    parser = import_module(f"{_PACKAGE}._yaml")
    for module, error in _RAISED.items():
        setattr(parser, error, getattr(import_module(f"{_PACKAGE}.{module}"), error))


def _postpone() -> None:
    """Put the package into place, with libyaml's parser in it.

    Raises:
        Exception: of any kind, where PyYAML is not as expected.
    """
    from importlib.util import find_spec, module_from_spec

    spec = find_spec(_PACKAGE)
    assert spec is not None
    package = sys.modules[_PACKAGE] = module_from_spec(spec)
    for name in ("error", "tokens", "events", "nodes"):
        import_module(f"{_PACKAGE}.{name}")
    for module, error in _RAISED.items():
        setattr(package, module, SimpleNamespace(**{error: _raised(module, error)}))
    import_module(f"{_PACKAGE}._yaml")
    for module in _RAISED:
        delattr(package, module)
    package.__class__ = _Postponed


def _raised(module: str, error: str) -> Callable[..., Exception]:
    """What makes an error, and imports its class before."""

    def make(*arguments: Any) -> Exception:
        made: Exception = getattr(import_module(f"{_PACKAGE}.{module}"), error)(*arguments)
        return made

    return make


def _load() -> Any:
    """Libyaml's parser, None where PyYAML was built without it."""
    if _PACKAGE not in sys.modules:
        try:
            _postpone()
        except Exception:  # noqa: BLE001 (whatever it was: the ordinary way shows whether it matters)
            for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
                del sys.modules[name]
    try:
        return import_module(f"{_PACKAGE}._yaml").CParser
    except ImportError:
        return None


__all__ = [
    "AliasEvent", "CParser", "MappingEndEvent", "MappingStartEvent", "ScalarEvent", "SequenceEndEvent",
    "SequenceStartEvent", "StreamEndEvent", "YAMLError",
]  # fmt: skip

CParser: Any = _load()

from yaml.error import YAMLError  # noqa: E402
from yaml.events import (  # noqa: E402
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
