"""Whoever shows people what is going on while an input is read: what is passed over, which source did not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class _Listener:
    hear: Callable[[str], object] = staticmethod(lambda _: None)
    told: frozenset[str] = frozenset()


def listen(hear: Callable[[str], object]) -> None:
    """Have ``hear`` get what there is to say, a line each."""
    _Listener.hear, _Listener.told = staticmethod(hear), frozenset()


def tell(line: str) -> None:
    """Say a line to whoever listens, once."""
    if line not in _Listener.told:
        _Listener.told |= {line}
        _Listener.hear(line)
