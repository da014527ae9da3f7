"""What is defined here behaves as the standard library's frozen dataclasses with slots and its named tuples do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import typing
from dataclasses import field
from types import SimpleNamespace

import pytest

from kfrun.model import values


def classes(decorate, field):
    """A base, one that adds fields, one that adds none, and one that can change."""

    @decorate(frozen=True, slots=True)
    class Base:
        """A base."""

        name: str
        size: int = 3

    @decorate(frozen=True, slots=True)
    class More(Base):
        """Adds fields."""

        items: list[int] = field(default_factory=list)
        self_: str | None = None

    @decorate(frozen=True, slots=True)
    class Same(Base):
        """Adds none."""

    @decorate(slots=True)
    class Loose:
        """Can change."""

        name: str
        items: list[int] = field(default_factory=list)

    return SimpleNamespace(Base=Base, More=More, Same=Same, Loose=Loose)


STANDARD, OURS = (dataclasses.dataclass, dataclasses.field), (values.dataclass, values.field)


@pytest.fixture(params=[STANDARD, OURS, (OURS[0], STANDARD[1])], ids=["standard", "ours", "fields of the standard"])
def made(request):
    """The same classes, made by both: every test holds for either."""
    return classes(*request.param)


def test_arguments_and_defaults(made):
    assert (made.Base("a").name, made.Base("a").size, made.Base(size=1, name="b").size) == ("a", 3, 1)
    assert made.More("a").items == []
    assert made.More("a").items is not made.More("a").items
    assert made.Loose("a", [1]).items == [1]
    for wrong in ((), ("a", 1, 2)):
        with pytest.raises(TypeError):
            made.Base(*wrong)
    with pytest.raises(TypeError):
        made.Base("a", colour=1)
    assert [*inspect.signature(made.More).parameters] == ["name", "size", "items", "self_"]
    assert inspect.signature(made.Base).parameters["size"].annotation == "int"


def test_equality_is_by_class_and_fields(made):
    assert made.Base("a") == made.Base("a", 3)
    assert made.Base("a") != made.Base("b")
    assert made.Base("a") != made.Same("a")
    assert made.Base("a") != ("a", 3)
    assert made.More("a", items=[1]) == made.More("a", items=[1])
    assert made.Loose("a") == made.Loose("a")


def test_frozen_ones_are_hashable_and_others_are_not(made):
    assert len({made.Base("a"), made.Base("a"), made.Base("b"), made.Same("a")}) == 3
    with pytest.raises(TypeError):
        hash(made.Loose("a"))


def test_frozen_ones_cannot_change(made):
    for item in (made.Base("a"), made.More("a")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            item.size = 4
        with pytest.raises(dataclasses.FrozenInstanceError):
            del item.size
        assert item.size == 3
    loose = made.Loose("a")
    loose.name = "b"
    assert loose.name == "b"
    with pytest.raises(AttributeError):
        loose.colour = 1


def test_they_are_printed_with_their_fields(made):
    assert repr(made.Base("a")).endswith("Base(name='a', size=3)")
    assert repr(made.More("a", items=[1])).endswith("More(name='a', size=3, items=[1], self_=None)")
    assert repr(made.Loose("a")).endswith("Loose(name='a', items=[])")


def test_the_standard_functions_work(made):
    for replace in (dataclasses.replace, values.replace):
        assert replace(made.Base("a"), size=1) == made.Base("a", 1)
        assert replace(made.More("a", items=[1]), self_="b") == made.More("a", 3, [1], "b")
        with pytest.raises(TypeError):
            replace(made.Base("a"), colour=1)
    assert dataclasses.is_dataclass(made.Same)
    assert dataclasses.fields(made.More)[2].default_factory is list
    assert dataclasses.fields(made.Base)[1].default == 3
    assert dataclasses.asdict(made.More("a", items=[1])) == {"name": "a", "size": 3, "items": [1], "self_": None}
    assert [item.name for item in dataclasses.fields(made.Loose)] == ["name", "items"]
    match made.More("a", 5):
        case made.Base(name, size):
            assert (name, size) == ("a", 5)


def test_copies_are_equal_and_apart(made):
    for item in (made.More("a", items=[1]), made.Loose("a", [1])):
        for other in (copy.copy(item), copy.deepcopy(item)):
            assert other == item
            assert other is not item
        assert copy.deepcopy(item).items is not item.items


def test_they_survive_pickling():
    from kfrun.model.resolution import PackageSet
    from kfrun.model.runstate import Condition

    for item in (PackageSet(("six",)), Condition("Complete", "True", "x", "y", 1.0)):
        assert pickle.loads(pickle.dumps(item)) == item


def test_what_is_not_supported_is_refused():
    with pytest.raises(TypeError, match="slots"):
        values.dataclass(frozen=True, slots=False)
    for wrong in (field(compare=False), field(init=False, default=1), field(kw_only=True), field(repr=False)):
        with pytest.raises(TypeError, match="asks for more"):

            @values.dataclass(frozen=True, slots=True)
            class Wrong:
                """Wants what there is not."""

                name: str = wrong


class Standard(typing.NamedTuple):
    """A pair."""

    name: str
    size: int = 3

    @property
    def label(self) -> str:
        """Both."""
        return f"{self.name} {self.size}"

    def __str__(self) -> str:
        return self.label


class Ours(values.NamedTuple):
    """A pair."""

    name: str
    size: int = 3

    @property
    def label(self) -> str:
        """Both."""
        return f"{self.name} {self.size}"

    def __str__(self) -> str:
        return self.label


class Same(Ours):
    """Adds a method to a class, as any class may."""

    def double(self) -> int:
        return self.size * 2


@pytest.mark.parametrize("made", [Standard, Ours])
def test_named_tuples_are_those_of_the_standard_library(made):
    one = made("a")
    assert (one, one.size, one.label, str(one)) == (("a", 3), 3, "a 3", "a 3")
    assert repr(one) == f"{made.__name__}(name='a', size=3)"
    assert one._replace(size=1) == made(size=1, name="a") == made._make(["a", 1])
    assert one._asdict() == {"name": "a", "size": 3}
    assert (made._fields, made._field_defaults, made.__match_args__) == (
        ("name", "size"),
        {"size": 3},
        ("name", "size"),
    )
    assert (made.__doc__, made.__module__, made.__bases__) == ("A pair.", __name__, (tuple,))
    assert typing.get_type_hints(made) == {"name": str, "size": int}
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    assert type(pickle.loads(pickle.dumps(one))) is made
    for wrong in ((), ("a", 1, 2)):
        with pytest.raises(TypeError):
            made(*wrong)
    with pytest.raises(AttributeError):
        one.colour = 1
    with pytest.raises(AttributeError):
        one.size = 1


def test_a_named_tuple_can_be_a_base():
    assert Same("a", 2).double() == 4
    assert isinstance(Same("a")._replace(size=1), Same)
