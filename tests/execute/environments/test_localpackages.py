"""Packages from this machine's files: found among requirements, told apart by what they hold, built anew."""

from __future__ import annotations

import io
import os
from dataclasses import replace

import pytest

from kfrun.execute import environments
from kfrun.execute.environments import localpackages
from tests.execute.environments import environment_setup as setup
from tests.execute.environments.environment_setup import request

BACKEND = """
import pathlib, zipfile
def build_wheel(target, config_settings=None, metadata_directory=None):
    name = "ours-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(target, name), "w") as wheel:
        wheel.writestr("ours.py", pathlib.Path("ours.py").read_text())
        wheel.writestr("ours-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: ours\\nVersion: 1.0\\n")
        wheel.writestr("ours-1.0.dist-info/WHEEL",
                       "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("ours-1.0.dist-info/RECORD", "")
    return name
"""
PROJECT = """\
[project]
name = "ours"
version = "1.0"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture
def ours(tmp_path):
    """The folder of a package that builds without any other."""
    folder = tmp_path / "a project" / "ours"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "ours.py").write_text("TEXT = 'first'\n")
    return folder


def wanted(ours, **changes):
    requirement = f"ours @ {ours.as_uri()}"
    return request(requirement, contents=localpackages.fingerprint([requirement]), **changes)


@pytest.mark.parametrize(
    ("requirement", "found"),
    [
        ("ours @ file:///a/b", ("ours", "/a/b")),
        ("ours[x,y]@file:///a/b/", ("ours", "/a/b")),
        ("ours @ file://localhost/a%20b/c.whl ; python_version > '3'", ("ours", "/a b/c.whl")),
        ("ours @ file:///a/b#subdirectory=x", ("ours", "/a/b")),
        ("file:///a/b[x]", ("", "/a/b")),
        ("-e file:///a%20b/c[x]", ("", "/a b/c")),
        ("ours @ https://example.com/a.whl", None),
        ("numpy>=2", None),
    ],
)
def test_local_packages_are_found_among_requirements(requirement, found):
    assert [(item.name, item.path) for item in localpackages.among([requirement, "six"])] == list(filter(None, [found]))
    assert all(item.is_editable == requirement.startswith("-e") for item in localpackages.among([requirement]))


def test_a_change_of_the_code_is_seen(ours, tmp_path):
    """Also by uv, which takes a folder for unchanged as long as its pyproject.toml is."""
    environ = setup.clean_environ(PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull, UV_CACHE_DIR=str(tmp_path / "uv"))
    said = []
    for text in ("first", "second"):
        # As long, and as old: only what is in it differs, as after a checkout.
        (ours / "ours.py").write_text(f"TEXT = '{text:6}'\n")
        os.utime(ours / "ours.py", (1_700_000_000, 1_700_000_000))
        path = environments.build(wanted(ours), tmp_path / "cache", io.BytesIO(), environ)
        said.append(setup.output_of(path, "python", "-c", "import ours; print(ours.TEXT.strip())"))
    assert said == ["first", "second"]
    assert len(environments.listing(tmp_path / "cache")) == 2


@pytest.mark.parametrize(
    "made", ["build/lib/ours.py", "ours.egg-info/PKG-INFO", "__pycache__/ours.pyc", ".git/HEAD", "dist/ours.whl"]
)
def test_what_building_and_running_leave_behind_does_not_count(ours, made):
    before = environments.key(wanted(ours))
    (ours / made).parent.mkdir(parents=True)
    (ours / made).write_text("made")
    assert environments.key(wanted(ours)) == before


@pytest.mark.parametrize("name", ["new.py", "data/build/table.csv"])
def test_a_new_file_counts(ours, name):
    before = environments.key(wanted(ours))
    (ours / name).parent.mkdir(parents=True, exist_ok=True)
    (ours / name).write_text("new")
    assert environments.key(wanted(ours)) != before


def test_a_wheel_that_was_built_again_counts(tmp_path):
    wheel = setup.make_wheel(tmp_path)
    first = environments.key(wanted(wheel))
    with wheel.open("ab") as file:
        file.write(b"\n")
    assert environments.key(wanted(wheel)) != first


def test_without_local_packages_environments_keep_the_names_that_they_had():
    plain = request("six")
    assert localpackages.fingerprint(plain.requirements) == ""
    assert environments.key(replace(plain, contents="")) == environments.key(plain)
    former = plain.to_json()
    del former["contents"]
    assert environments.EnvironmentRequest.from_json(former) == plain
