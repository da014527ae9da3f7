"""What a container's process is given: environment, arguments, executable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kfrun.execute.local.process import launch

if TYPE_CHECKING:
    from pathlib import Path

CALLER = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/me",
    "TOKEN": "secret",
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "elsewhere",
    "PET_NNODES": "9",
    "PYTHONHOME": "/x",
    "PYTHONPATH": "/y",
    "KFRUN_JOB_UID": "outer",
    "KFRUN_ATTEMPT": "outer/pod",
    "KFRUN_HOME": "/state",
}


def test_the_callers_environment_comes_without_what_belongs_to_other_jobs() -> None:
    env = launch.base_environment(launch.ProcessSettings(CALLER, "/work", path=("/env/bin",), last="/kfrun/bin"))
    assert env == {
        "PATH": "/env/bin:/usr/bin:/bin:/kfrun/bin",
        "HOME": "/home/me",
        "TOKEN": "secret",
        "PYTHONUNBUFFERED": "1",
        "KFRUN_HOME": "/state",
    }


def test_a_clean_environment_holds_what_every_program_needs() -> None:
    env = launch.base_environment(launch.ProcessSettings(CALLER, "/work", clean_env=True))
    assert env == {"PATH": "/usr/bin:/bin", "HOME": "/home/me", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(("own", "kept"), [("/venv", False), ("/other", True), ("", True)])
def test_only_kfruns_own_virtual_environment_is_not_passed_on(own: str, kept: bool) -> None:
    settings = launch.ProcessSettings({"VIRTUAL_ENV": "/venv"}, "/work", own_venv=own)
    assert ("VIRTUAL_ENV" in launch.base_environment(settings)) == kept


INSTALLING = {"VIRTUAL_ENV": "/other", "PIP_TARGET": "/t", "PIP_USER": "1", "UV_PYTHON": "3", "UV_SYSTEM_PYTHON": "1"}


def test_nothing_of_the_caller_sends_elsewhere_what_a_job_with_an_environment_installs() -> None:
    caller = {**INSTALLING, "PIP_INDEX_URL": "https://example.com/simple"}
    shared = launch.base_environment(launch.ProcessSettings(caller, "/work", has_environment=True))
    own = launch.base_environment(launch.ProcessSettings(caller, "/work", has_environment=True, own_environment="/e"))
    assert not INSTALLING.keys() & shared.keys()
    assert {name: own[name] for name in INSTALLING.keys() & own.keys()} == {"VIRTUAL_ENV": "/e"}
    assert shared["PIP_INDEX_URL"] == own["PIP_INDEX_URL"] == "https://example.com/simple"
    assert INSTALLING.items() <= launch.base_environment(launch.ProcessSettings(caller, "/work")).items()


def test_older_versions_read_the_settings_of_jobs_without_an_environment() -> None:
    assert "own_environment" not in launch.ProcessSettings({}, "/work").to_json()
    settings = launch.ProcessSettings({}, "/work", has_environment=True, own_environment="/e")
    assert launch.ProcessSettings.from_json(settings.to_json()) == settings


def test_without_a_path_the_systems_own_is_taken() -> None:
    assert "/bin" in launch.base_environment(launch.ProcessSettings({}, "/work"))["PATH"]


def test_settings_survive_being_stored() -> None:
    settings = launch.ProcessSettings({"A": "\udcff"}, "/work", ("/a", "/b"), "/c", "/d", clean_env=True, umask=0o27)
    assert launch.ProcessSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tool", "bin/tool"),
        ("./bin/tool", "bin/tool"),
        ("bin/tool", "bin/tool"),
        ("data", None),
        ("bin", None),
        ("./bin", None),
        ("missing", None),
        ("to\0ol", None),
        ("relative", "rel/relative"),
    ],
)
def test_executables_are_found_as_execvp_would(tmp_path: Path, name: str, found: str | None) -> None:
    for path, mode in (("bin/tool", 0o755), ("bin/data", 0o644), ("rel/relative", 0o755)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("#!/bin/sh\n")
        (tmp_path / path).chmod(mode)
    path = f"/nowhere:{tmp_path}/bin:rel"
    expected = None if found is None else str(tmp_path / found)
    assert launch.find_executable(name, path, str(tmp_path)) == expected


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("/dev/log", "/place"),
        ("echo a >/dev/log; cat '/dev/log'", "echo a >/place; cat '/place'"),
        ("/dev/log /dev/log", "/place /place"),
        ("/a/dev/log /dev/log.1 /dev/logs /dev/log/x /dev/log-2 x/dev/log", None),
        ("nothing", None),
    ],
)
def test_a_path_of_a_container_is_replaced_where_it_stands_alone(text: str, moved: str | None) -> None:
    expected = text if moved is None else moved
    assert launch.relocated("/dev/log", "/place", [text], {"A": text}) == ([expected], {"A": expected})
