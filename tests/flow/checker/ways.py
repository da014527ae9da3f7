"""The ways of checking that must come to the same: one document after the other, many at once, and with memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun import settings as settings_module
from kfrun.flow import documents as reading
from kfrun.flow.checker import absence, pipeline, remembered, stages
from kfrun.flow.checker.stages import Asked
from kfrun.flow.checker.verdicts import Verdicts
from kfrun.model.state import Observed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kfrun.settings import Settings

    Found = tuple[list[tuple[Any, str]], list[Any]]

DOCUMENTS = 24


def settings_of(folder: Path, **flags: Any) -> Settings:
    return settings_module.load(flags, {"KFRUN_HOME": str(folder / "home")}, folder)


def one_by_one(names: Sequence[str], settings: Settings, **asked: Any) -> Found:
    """What the other verbs find."""
    documents, refused = reading.gather(names, lambda: None, settings, recursive=True)
    if not documents:
        return [], list(refused)
    checked = stages.check(documents, Observed(), Asked(settings, **asked))
    return _shown(documents, [*refused, *absence.doubted(absence.unasked(checked.findings), refused)])


def many(names: Sequence[str], settings: Settings, **asked: Any) -> Found:
    """What is found without memory."""
    return _shown(*pipeline.check(pipeline.opened(names, recursive=True), Asked(settings, **asked)))


def again(names: Sequence[str], settings: Settings, **asked: Any) -> Found:
    """What is found when earlier checks are remembered."""
    wish = Asked(settings, **asked)
    return _shown(*remembered.check(pipeline.opened(names, recursive=True), wish, Verdicts.open(wish)))


def _shown(documents: Sequence[Any], findings: Sequence[Any]) -> Found:
    return [(item.key, item.source) for item in documents], list(findings)
