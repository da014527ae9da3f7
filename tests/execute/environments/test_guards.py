"""Jobs and pip: nobody installs into a shared environment, an own one has a pip, and no other Python's is reached."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kfrun.execute import environments
from kfrun.execute.environments import guards
from tests.execute.environments import environment_setup as setup
from tests.execute.environments.environment_setup import make_wheel, request

CALLERS = "the caller's own"


@pytest.fixture
def environ(tmp_path):
    wheels = tmp_path / "wheels"
    make_wheel(wheels)
    return setup.clean_environ(
        PIP_FIND_LINKS=str(wheels), PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull, UV_CACHE_DIR=str(tmp_path / "uv")
    )


@pytest.fixture
def build(tmp_path, environ):
    def run(*requirements, **changes):
        return environments.build(request(*requirements, **changes), tmp_path / "cache", io.BytesIO(), environ)

    return run


@pytest.fixture
def callers(tmp_path):
    """Programs of the caller, which no job may reach."""
    folder = tmp_path / "callers"
    folder.mkdir()
    for name in ("pip", "pip3", "pip3.9", "pip3.12", "easy_install"):
        (folder / name).write_text(f'#!/bin/sh\necho "{CALLERS}"\n')
        (folder / name).chmod(0o755)
    (folder / "uv").symlink_to(shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"))
    return folder


def started(path, callers, environ, *command, own=False):
    """A program started as a job of the environment starts it."""
    folders = [path / "bin", path / "guards"] if own else [path / "guards", path / "bin"]
    variables = {**environ, "PATH": ":".join(map(str, [*folders, callers, "/usr/bin", "/bin"]))}
    if own:
        variables["VIRTUAL_ENV"] = str(path)
    program = shutil.which(command[0], path=variables["PATH"])
    return subprocess.run([program, *command[1:]], capture_output=True, text=True, env=variables, timeout=60)


@pytest.mark.parametrize(
    "command",
    [
        ("pip", "install", "tinypkg"),
        ("pip", "--version"),
        ("pip3", "install", "tinypkg"),
        ("pip3.9", "install", "tinypkg"),
        ("easy_install", "tinypkg"),
        ("python", "-m", "pip", "install", "tinypkg"),
        ("python", "-u", "-m", "pip", "list"),
        ("python", "-m", "ensurepip"),
        ("python3", "-m", "ensurepip", "--upgrade"),
        ("uv", "pip", "install", "tinypkg"),
        ("uv", "--quiet", "pip", "uninstall", "six"),
        ("uv", "pip", "sync", "requirements.txt"),
    ],
    ids=" ".join,
)
def test_nothing_is_installed_into_a_shared_environment_and_the_way_out_is_told(build, callers, environ, command):
    path = build("tinypkg")
    done = started(path, callers, environ, *command)
    assert done.returncode == 1
    assert "kfrun.dev/packages, or set kfrun.dev/environment: isolated" in done.stderr
    assert CALLERS not in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("python", "-c", "import tinypkg; print(tinypkg.VERSION)"), "1.0"),
        (("tinypkg-hello",), "hello from 1.0"),
        (("uv", "--version"), "uv "),
        (("python", "-m", "tinypkg"), ""),
        (("python", "-c", "import sys; print(sys.argv[1:])", "-m", "ensurepip"), "['-m', 'ensurepip']"),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_everything_else_of_a_shared_environment_works(build, callers, environ, command, says):
    done = started(build("tinypkg"), callers, environ, *command)
    assert (done.returncode, done.stderr) == (0, "")
    assert says in done.stdout


def test_a_program_that_looks_for_pip_is_told_why_there_is_none(build, callers, environ):
    done = started(build("tinypkg"), callers, environ, "python", "-c", "import pip._internal")
    assert "ImportError: this environment is shared" in done.stderr


def test_a_pip_that_was_asked_for_stays_and_installs_nothing(build, callers, environ):
    path = build("tinypkg")
    site = next(path.glob("lib/*/site-packages"))
    (site / "pip.py").unlink()
    (site / "pip").mkdir()
    (site / "pip" / "__init__.py").touch()
    (site / "pip" / "__main__.py").write_text("print('the real one')")
    assert started(path, callers, environ, "python", "-m", "pip", "list").stdout == "the real one\n"
    assert started(path, callers, environ, "python", "-m", "pip", "install", "x").returncode == 1


OWN_PIPS = (
    ("pip",),
    ("pip3",),
    (f"pip{sys.version_info[0]}.{sys.version_info[1]}",),
    ("python", "-m", "pip"),
    ("uv", "pip"),
)


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_an_own_environment_has_a_pip_that_installs_into_it(build, callers, environ, installer):
    path = build(isolated_for="uid-1", installer=installer)
    for command in OWN_PIPS:
        options = ["--offline", "--no-index", "--find-links", environ["PIP_FIND_LINKS"]] if command[0] == "uv" else []
        done = started(path, callers, environ, *command, "install", *options, "tinypkg", own=True)
        assert done.returncode == 0, (command, done.stderr)
        assert setup.output_of(path, "tinypkg-hello") == "hello from 1.0"
        yes = () if command[0] == "uv" else ("-y",)
        assert started(path, callers, environ, *command, "uninstall", *yes, "tinypkg", own=True).returncode == 0
        assert not (path / "bin" / "tinypkg-hello").exists(), command


def test_a_pip_of_another_version_is_not_reached_from_an_own_environment(build, callers, environ):
    path = build(isolated_for="uid-1")
    done = started(path, callers, environ, "pip3.9", "install", "tinypkg", own=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the pip of another Python" in done.stderr


def test_an_environment_of_an_older_version_is_guarded_when_it_is_used_and_not_built_again(build):
    path = build("tinypkg")
    shutil.rmtree(path / "guards")
    created = (path / "pyvenv.cfg").stat().st_ino
    assert build("tinypkg") == path
    assert (path / "guards" / "pip").exists()
    assert (path / "pyvenv.cfg").stat().st_ino == created


def test_guards_are_put_once_however_many_put_them(build):
    path = build("tinypkg")
    shutil.rmtree(path / "guards")
    code = (
        f"import sys; sys.path.insert(0, {str(setup.ROOT)!r}); from pathlib import Path;"
        "from kfrun.execute.environments import guards; guards.put(Path(sys.argv[1]), is_shared=True)"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code, path], stderr=subprocess.PIPE) for _ in range(4)]
    assert [worker.communicate(timeout=60)[1] for worker in workers] == [b""] * 4
    assert [worker.returncode for worker in workers] == [0] * 4
    assert [item.name for item in path.iterdir() if item.name.startswith("guards")] == ["guards"]


@pytest.mark.parametrize(
    ("words", "is_one"),
    [
        ("-m pip install x", True),
        ("-X dev -m pip install x", True),
        ("-Xdev -m pip install x", True),
        ("-W ignore -m pip install x", True),
        ("-Im pip install x", True),
        ("-mpip install x", True),
        ("-BsmPip install x", False),
        ("-IX dev -m ensurepip", True),
        ("--check-hash-based-pycs always -m uv pip sync x", True),
        ("-m pip list", False),
        ("-c pass -m pip install x", False),
        ("train.py -m pip install x", False),
        ("-X", False),
        ("", False),
    ],
)
def test_an_installing_python_is_known_whatever_stands_before_its_module(words, is_one, tmp_path, capfd, monkeypatch):
    ends = []
    monkeypatch.setattr(sys, "orig_argv", ["python", *words.split()])
    monkeypatch.setattr(os, "_exit", ends.append)
    (tmp_path / "_kfrun_shared.py").write_text(guards._START)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "_kfrun_shared", raising=False)
    exec(guards._START_LINE, {})
    assert ends == [1] * is_one
    assert ("shared" in capfd.readouterr().err) == is_one
