"""What was found sound is kept in a file of bounded size, and forgotten with the kfrun that found it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kfrun.flow.checker import verdicts
from kfrun.flow.checker.stages import Asked
from kfrun.flow.checker.verdicts import Remembered, Verdicts
from kfrun.load import data
from kfrun.model.source import ObjectKey
from tests.flow.checker.ways import settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.settings import Settings


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def recalled(settings: Settings) -> Verdicts:
    memory = Verdicts.open(Asked(settings))
    memory.recall(0)
    return memory


def test_a_checkout_with_links_to_nothing_has_a_state(
    files: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / ".#module.py").symlink_to("nowhere")
    (files / "module.py").write_text("x = 1\n")
    monkeypatch.setattr(data, "is_installed", lambda: False)
    monkeypatch.setattr(data, "checkout", lambda: (str(files),))
    before = recalled(settings)
    before.learn("text", [])
    before.save()
    assert recalled(settings).objects("text") == []
    (files / "module.py").write_text("x = 1234\n")
    assert recalled(settings).objects("text") is None


def test_an_installation_of_the_same_version_forgets_what_another_one_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    module = tmp_path / "verdicts.py"
    module.write_text("x = 1\n")
    monkeypatch.setattr(data, "is_installed", lambda: True)
    monkeypatch.setattr(verdicts, "__file__", str(module))
    before = recalled(settings)
    before.learn("text", [])
    before.save()
    assert recalled(settings).objects("text") == []
    os.utime(module, (1, 1))
    assert recalled(settings).objects("text") is None


def test_a_text_that_is_too_large_to_remember_leaves_others_their_place(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_MOST_OBJECTS", 10)
    known = Remembered(ObjectKey("v1", "ConfigMap", "default", "x"))
    memory = recalled(settings)
    for text, count in (("oldest", 5), ("older", 3), ("large", 100), ("newest", 2)):
        memory.learn(text, [known] * count)
    memory.save()
    kept = recalled(settings)
    assert {text for text in ("oldest", "older", "large", "newest") if kept.objects(text)} == {"older", "newest"}
    assert kept.objects("newest") == [known, known]
