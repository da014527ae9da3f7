"""Where the Secrets of one job are kept, and that nothing of them is left."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.local.pods.configs import MissingConfig
from kfrun.execute.local.supply import secretkeep
from kfrun.host import keyring

if TYPE_CHECKING:
    from collections.abc import Iterator

HF, WANDB = {"TOKEN": "s3cret"}, {"KEY": "an0ther"}


@pytest.fixture(params=["keyring", "file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A job's folder, where secrets are kept in one of the ways."""
    found = tmp_path / str(uuid.uuid4())
    found.mkdir()
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run") if request.param == "memory" else "")
    if request.param != "keyring":
        monkeypatch.setenv("KFRUN_PORTABLE", "1")
    elif not has_keyring():
        pytest.skip("no keyring here")
    yield str(found)
    found.mkdir(exist_ok=True)
    secretkeep.forget(str(found))


def has_keyring() -> bool:
    try:
        keyring.add("kfrun-test", b"x")
        keyring.remove("kfrun-test")
    except OSError:
        return False
    return True


def holding(folder: str) -> list[Path]:
    """The files around a job's folder that hold a value."""
    paths = [path for path in Path(folder).parent.rglob("*") if path.is_file()]
    return [path for path in paths if b"s3cret" in path.read_bytes() or b"an0ther" in path.read_bytes()]


def test_what_is_given_is_found_until_it_is_forgotten(folder: str) -> None:
    secretkeep.keep(folder, {"hf": HF})
    kept = secretkeep.KeptSecrets(folder)
    assert kept.find("hf") == {"kind": "Secret", "stringData": HF}
    assert kept.find("other") is None
    secretkeep.keep(folder, {"wandb": WANDB})
    secretkeep.keep(folder, {"hf": {"TOKEN": "s3cret2"}})
    assert secretkeep.given(folder) == ("hf", "wandb")
    assert kept.find("hf") == {"kind": "Secret", "stringData": {"TOKEN": "s3cret2"}}
    assert secretkeep.KeptSecrets(folder).find("wandb") == {"kind": "Secret", "stringData": WANDB}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in holding(folder))
    assert secretkeep.lost(folder) == []
    secretkeep.forget(folder)
    assert holding(folder) == []
    assert secretkeep.lost(folder) == ["hf", "wandb"]
    with pytest.raises(MissingConfig, match="--secret-env-file hf=FILE"):
        secretkeep.KeptSecrets(folder).find("hf")
    assert kept.find("hf") is not None, "who has seen it has it in mind"


def test_what_is_too_much_for_a_keyring_lies_in_a_file(folder: str) -> None:
    large = {"TOKEN": "s3cret" * 10_000}
    for entries in (HF, large, HF, large):
        secretkeep.keep(folder, {"hf": entries})
        assert secretkeep.KeptSecrets(folder).find("hf") == {"kind": "Secret", "stringData": entries}
        told = json.loads(Path(folder, "secrets.json").read_text())
        assert [str(path) for path in holding(folder)] == [told["file"]] * bool(told["file"])
    secretkeep.forget(folder)
    assert holding(folder) == []
    assert secretkeep.lost(folder) == ["hf"]


def test_one_that_was_killed_half_way_leaves_nothing_that_is_not_found(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise SystemExit

    for step in ("replace", "makedirs"):
        with monkeypatch.context() as patch, contextlib.suppress(SystemExit):
            patch.setattr(os, step, die)
            secretkeep.keep(folder, {"hf": HF})
        secretkeep.forget(folder)
        assert holding(folder) == []


def test_of_a_folder_that_somebody_removed_nothing_is_left_either(folder: str) -> None:
    secretkeep.keep(folder, {"hf": HF})
    for path in Path(folder).iterdir():
        path.unlink()
    os.rmdir(folder)
    secretkeep.forget(folder)
    assert holding(folder) == []
    with pytest.raises(OSError, match=r"not available|revoked|not implemented"):
        keyring.read(f"kfrun:{os.path.basename(folder)}")


def test_a_folder_for_memory_that_others_can_read_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFRUN_PORTABLE", "1")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o755)
    (tmp_path / "job").mkdir()
    secretkeep.keep(str(tmp_path / "job"), {"hf": HF})
    assert holding(str(tmp_path / "job")) == [tmp_path / "job" / "secret-values.json"]


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"names": ["hf"]}), json.dumps({"file": "/none"})])
def test_damaged_notes_are_no_secrets(tmp_path: Path, text: str) -> None:
    (tmp_path / "secrets.json").write_text(text)
    assert secretkeep.lost(str(tmp_path)) == (["hf"] if "hf" in text else [])
    secretkeep.forget(str(tmp_path))
