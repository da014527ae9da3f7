"""`dataclass` and `NamedTuple` as this package uses them: the standard library's, but many times faster to define.

For whatever is imported at the start of every command or supervisor: together they would be a third of what a command
takes.

The standard `dataclass` compiles six methods for every frozen class, half a millisecond each time, and its module and
what that imports take six more. Here only ``__init__`` is compiled; comparing, hashing and printing are shared by all
classes. `dataclasses.fields` and pattern matching work as ever; `asdict`, `field` and `replace` are here.

The standard `NamedTuple` compiles the annotation of every field, which `from __future__ import annotations` has made a
text, to no purpose: a tenth of a millisecond a class.
"""

from __future__ import annotations

from collections import namedtuple
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import asdict, dataclass, field, replace
    from typing import NamedTuple

    Class = type[Any]

    def stamp(value: Any) -> tuple[Any, ...]:
        """What the fields of a value hold, not copied: to find out later, and fast, whether one was set anew."""
else:

    def dataclass(*, frozen: bool = False, slots: bool = True) -> Callable[[Class], Class]:
        """See `dataclasses.dataclass`; of `dataclasses.field` only the defaults are supported.

        Raises:
            TypeError: anything else is asked for.
        """
        if not slots:
            raise TypeError("values have slots")
        return lambda cls: _define(cls, frozen=frozen)

    def field(*, default_factory: Callable[[], Any]) -> Any:
        """See `dataclasses.field`."""
        return _Factory(default_factory)

    def replace(value: Any, /, **changes: Any) -> Any:
        """See `dataclasses.replace`."""
        kept = {name: getattr(value, name) for name in value.__match_args__ if name not in changes}
        return value.__class__(**kept, **changes)

    def asdict(value: Any) -> dict[str, Any]:
        """See `dataclasses.asdict`; what is no value, list, tuple or dictionary is not copied."""
        return {name: _plain(getattr(value, name)) for name in value.__match_args__}

    def stamp(value: Any) -> tuple[Any, ...]:
        """See above."""
        return value.__values__(value)

    def _plain(value: Any) -> Any:
        kind = value.__class__
        if kind is list:
            return [_plain(item) for item in value]
        if kind is dict:
            return {key: _plain(item) for key, item in value.items()}
        if kind is tuple:
            return tuple([_plain(item) for item in value])
        return asdict(value) if hasattr(kind, "__value_fields__") else value

    class _TupleOf(type):
        """What a class that names `NamedTuple` as its base is made by."""

        def __new__(cls, name: str, bases: tuple[Class, ...], members: dict[str, Any]) -> Class:  # noqa: ARG004
            fields = members.get("__annotations__", {})
            defaults = [members[field] for field in fields if field in members]
            made = namedtuple(name, fields, defaults=defaults, module=members["__module__"])  # noqa: PYI024
            made.__annotations__ = made.__new__.__annotations__ = fields
            for member, value in members.items():
                if member not in fields and member not in ("__module__", "__annotations__"):
                    setattr(made, member, value)
            return made

    NamedTuple = type.__new__(_TupleOf, "NamedTuple", (), {})
    """See `typing.NamedTuple`."""


__all__ = ["NamedTuple", "asdict", "dataclass", "field", "replace", "stamp"]

_MISSING: Final = object()


class _Factory:
    """What makes the default of a field, anew each time."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


class _Field(NamedTuple):
    """A field of a class: its annotation, and its default or what makes it."""

    kind: Any
    default: Any


class _StandardFields:
    """``__dataclass_fields__``: made when a function of the standard library asks a class for it."""

    def __get__(self, _: object, cls: Class) -> Any:
        import dataclasses

        members: dict[str, Any] = {"__annotations__": {}}
        for name, (kind, default) in cls.__value_fields__.items():
            members["__annotations__"][name] = kind
            if default is not _MISSING:
                is_made = isinstance(default, _Factory)
                members[name] = dataclasses.field(default_factory=default.make) if is_made else default
        standard: Any = dataclasses.dataclass(type(cls.__name__, (), members))
        cls.__dataclass_fields__ = standard.__dataclass_fields__
        return cls.__dataclass_fields__


def _define(cls: Class, *, frozen: bool) -> Class:
    fields: dict[str, _Field] = {}
    slots: set[str] = set()
    for base in reversed(cls.__mro__[1:-1]):
        fields |= base.__dict__.get("__value_fields__", {})
        slots.update(base.__dict__.get("__slots__", ()))
    for name, kind in cls.__annotations__.items():
        default = cls.__dict__.get(name, _MISSING)
        fields[name] = _Field(kind, _default(default) if hasattr(default, "default_factory") else default)
    made_anew = {"__dict__", "__weakref__", *fields}
    members = {name: value for name, value in cls.__dict__.items() if name not in made_anew}
    members |= {
        "__qualname__": cls.__qualname__,
        "__slots__": tuple(name for name in fields if name not in slots),
        "__match_args__": tuple(fields),
        "__value_fields__": fields,
        "__dataclass_fields__": _StandardFields(),
        "__values__": attrgetter(*fields, "__class__"),
        "__init__": _initializer(cls, fields, frozen=frozen),
        "__repr__": _repr,
        "__eq__": _eq,
        **(_OF_FROZEN if frozen else {"__hash__": None}),
    }
    return type(cls.__name__, cls.__bases__, members)


def _default(given: Any) -> Any:
    """The default of a `dataclasses.field`."""
    import dataclasses

    if given.kw_only is True or not (given.init and given.repr and given.compare):
        raise TypeError("a field asks for more than values can do: take dataclasses.dataclass")
    if given.default_factory is not dataclasses.MISSING:
        return _Factory(given.default_factory)
    return _MISSING if given.default is dataclasses.MISSING else given.default


def _initializer(cls: Class, fields: Mapping[str, _Field], *, frozen: bool) -> Callable[..., None]:
    """``__init__``, the way the standard library writes it."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_MISSING": _MISSING}
    parameters, lines = ["self"], []
    for name, (_, default) in fields.items():
        parameter = value = name
        if isinstance(default, _Factory):
            known[f"_make_{name}"] = default.make
            parameter, value = f"{name}=_MISSING", f"_make_{name}() if {name} is _MISSING else {name}"
        elif default is not _MISSING:
            known[f"_default_{name}"] = default
            parameter = f"{name}=_default_{name}"
        parameters.append(parameter)
        lines.append(f" _set(self, {name!r}, {value})" if frozen else f" self.{name} = {value}")
    source = f"def __init__({', '.join(parameters)}):\n" + ("\n".join(lines) or " pass")
    exec(source, known)  # noqa: S102 (names of fields only)
    made: Callable[..., None] = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = {**{name: item.kind for name, item in fields.items()}, "return": None}
    return made


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self.__match_args__])


def _restore(self: Any, state: tuple[Any, ...]) -> None:
    for name, value in zip(self.__match_args__, state, strict=True):
        object.__setattr__(self, name, value)


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{self.__class__.__qualname__}({shown})"


def _eq(self: Any, other: Any) -> bool:
    of = self.__values__
    return of(self) == of(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(self.__values__(self))


def _refuse(_: Any, name: str, *__: Any) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot change field {name!r}")


_OF_FROZEN = {
    "__hash__": _hash,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": _values,
    "__setstate__": _restore,
}
