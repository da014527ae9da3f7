from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kfrun.errors import Unavailable
from kfrun.load import data

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data, "_roots", lambda: (f"{tmp_path}/kfrun/_data", str(tmp_path)))
    return tmp_path


def test_a_checkout_has_its_data_beside_the_package(root: Path) -> None:
    assert data.data_path("schemas", "a.json") == str(root / "schemas" / "a.json")


def test_an_installed_package_has_its_data_inside(root: Path) -> None:
    (root / "kfrun" / "_data" / "schemas").mkdir(parents=True)
    (root / "kfrun" / "_data" / "schemas" / "a.json").write_text("{}", encoding="utf-8")
    assert data.read_text("schemas", "a.json") == "{}"


def test_the_folders_of_this_checkout_are_found() -> None:
    assert "v2.3" in data.names("schemas")
    assert "plain-python.yaml" in data.names("runtimes")


@pytest.mark.usefixtures("root")
def test_a_missing_folder_is_one_too() -> None:
    with pytest.raises(Unavailable, match="own file runtimes cannot be read"):
        data.names("runtimes")


@pytest.mark.usefixtures("root")
def test_a_missing_file_is_an_error_of_the_installation() -> None:
    with pytest.raises(Unavailable, match=r"own file schemas/a\.json cannot be read") as caught:
        data.read_text("schemas", "a.json")
    assert "install kfrun again" in str(caught.value.hint)
