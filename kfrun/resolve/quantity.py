"""Quantities for the rest of resolve; the arithmetic is `kfrun.validate.quantity`'s."""

from __future__ import annotations

from kfrun.validate.quantity import canonical, ceiling, nanos, written

__all__ = ["canonical", "ceiling", "nanos", "written"]
