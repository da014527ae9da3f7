"""How far an installation is, as the words of the installer tell."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.environments.progress import Progress
from tests.conftest import eventually

if TYPE_CHECKING:
    from pathlib import Path

UV = [
    ("Resolved 40 packages in 1.20s", "downloading: 0 of 40 packages"),
    ("Downloading torch (873.9MiB)", "downloading torch: 0 of 40 packages"),
    ("Downloading numpy (16.0MiB)", "downloading torch, numpy: 0 of 40 packages"),
    ("   Building slow==1.0", "downloading torch, numpy, slow: 0 of 40 packages"),
    ("Downloading scipy (30.0MiB)", "downloading torch, numpy, slow, ...: 0 of 40 packages"),
    (" Downloaded numpy", "downloading torch, slow, scipy: 1 of 40 packages"),
    ("      Built slow==1.0", "downloading torch, scipy: 2 of 40 packages"),
    ("Prepared 40 packages in 3m", "installing: 0 of 40 packages"),
    ("Installed 40 packages in 12s", "finishing: 40 of 40 packages"),
]
PIP = [
    ("Collecting numpy (from -r requirements.txt (line 1))", "collecting numpy"),
    ("  Downloading numpy-2.4.6-cp311-manylinux.whl (16.0 MB)", "collecting numpy"),
    ("  Downloading http://example.com/six.tar.gz (3 kB)", "collecting numpy"),
    ("Installing collected packages: numpy, six", "installing: 0 of 2 packages"),
]


@pytest.mark.parametrize("lines", [UV, PIP])
def test_each_line_of_an_installer_moves_the_progress(tmp_path: Path, lines: list[tuple[str, str]]) -> None:
    log = io.BytesIO()
    progress = Progress(log, str(tmp_path / "line"), tmp_path / "environment")
    assert progress.text() == "making the environment"
    for said, expected in lines:
        progress.write(f"{said}\n".encode())
        assert progress.text() == expected
    assert log.getvalue().decode() == "".join(f"{said}\n" for said, _ in lines)
    line = tmp_path / "line"
    eventually(lambda: line.exists() and line.read_text() == lines[-1][1])


def test_what_is_installed_is_counted_where_it_lies(tmp_path: Path) -> None:
    progress = Progress(io.BytesIO(), str(tmp_path / "line"), tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    assert progress.text() == "resolving"
    progress.write(b"Prepared 2 packages in 1s\n")
    (tmp_path / "lib/python3/site-packages/six-1.dist-info").mkdir(parents=True)
    assert progress.text() == "installing: 1 of 2 packages"


def test_a_folder_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    progress = Progress(io.BytesIO(), str(tmp_path / "gone" / "line"), tmp_path)
    progress.write(b"another kfrun builds this environment: waiting\n")
    assert progress.text() == "waiting for another kfrun that builds it"
