from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kfrun import settings
from kfrun.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path):
    """A folder two levels below a project, and the environment of a user with a home of their own."""
    folder = tmp_path / "project" / "a" / "b"
    folder.mkdir(parents=True)
    (tmp_path / "home").mkdir()
    return folder


@pytest.fixture
def environ(tmp_path):
    return {"HOME": str(tmp_path / "home")}


def user_file(tmp_path, text):
    path = tmp_path / "home" / ".config" / "kfrun" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_the_defaults_lie_in_the_xdg_folders_of_the_home(project, environ, tmp_path):
    found = settings.load({}, environ, project)
    assert found.state_dir == f"{tmp_path}/home/.local/state/kfrun"
    assert found.cache_dir == f"{tmp_path}/home/.cache/kfrun"
    assert (found.namespace, found.backend, found.retry_delay) == ("default", "process", 10.0)
    assert {str(origin) for origin in found.origins.values()} == {"default"}
    assert set(found.origins) == set(settings.KEYS)


def test_xdg_variables_move_the_folders_and_relative_ones_are_ignored(project, environ, tmp_path):
    environ |= {"XDG_STATE_HOME": "/var/state", "XDG_CACHE_HOME": "relative"}
    found = settings.load({}, environ, project)
    assert found.state_dir == "/var/state/kfrun"
    assert str(found.origins["state_dir"]) == "environment XDG_STATE_HOME"
    assert found.cache_dir == f"{tmp_path}/home/.cache/kfrun"


def test_kfrun_home_decides_both_folders(project, environ, tmp_path):
    (project.parent / "kfrun.toml").write_text('state_dir = "elsewhere"\n')
    environ |= {"KFRUN_HOME": str(tmp_path / "k"), "KFRUN_CACHE_DIR": "/x"}
    found = settings.load({}, environ, project)
    assert (found.state_dir, found.cache_dir) == (f"{tmp_path}/k/state", f"{tmp_path}/k/cache")
    assert str(found.origins["cache_dir"]) == "environment KFRUN_HOME"


def test_each_layer_wins_over_the_one_below(project, environ, tmp_path):
    layers = [("default", "default")]

    def namespace(**flags):
        found = settings.load(flags, environ, project)
        return found.namespace, found.origins["namespace"].layer

    assert namespace() == layers[0]
    user_file(tmp_path, 'namespace = "user"\n')
    assert namespace() == ("user", "user")
    (project.parent.parent / "kfrun.toml").write_text('namespace = "far"\n')
    assert namespace() == ("far", "project")
    (project.parent / "kfrun.toml").write_text('namespace = "near"\n')
    assert namespace() == ("near", "project")
    environ["KFRUN_NAMESPACE"] = "env"
    assert namespace() == ("env", "environment")
    assert namespace(namespace=None) == ("env", "environment")
    assert namespace(namespace="flag") == ("flag", "flag")


def test_folders_in_a_file_are_relative_to_it(project, environ):
    (project.parent / "kfrun.toml").write_text('state_dir = "state"\n')
    assert settings.load({}, environ, project).state_dir == f"{project.parent}/state"


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ('strict = true\nnamspace = "x"\n', 2, "namspace: unknown key", 'did you mean "namespace"?'),
        ("\n\n[trainer-version]\na = 1\n", 3, "trainer-version: unknown key", 'did you mean "trainer_version"?'),
        ("qqq.zzz = 1\n", 1, "qqq: unknown key", "known keys: home, "),
        ("strict = 1\n", 1, "strict: expected true or false, got 1", ""),
        ('retry_delay = "5"\n', 1, "retry_delay: expected a number of seconds, got 5", ""),
        ("retry_delay = -1\n", 1, "retry_delay: expected a number of seconds, got -1", ""),
        ("retry_delay = true\n", 1, "retry_delay: expected a number of seconds, got True", ""),
        ('namespace = "A_B"\n', 1, "namespace: expected lower-case letters", ""),
        ('installer = "conda"\n', 1, "installer: expected auto, uv, pip, got conda", ""),
        ('backend = "docker"\n', 1, "backend: expected process or memory, got docker", ""),
        ('trainer_version = "two"\n', 1, "trainer_version: expected v2.0, v2.1, v2.2, v2.3 or head", ""),
        ("home = 5\n", 1, "home: expected text, got 5", ""),
        ("logs = 5\n", 1, "logs: expected a table, [logs]", ""),
        ("[logs]\nmax_size = 5\n", 2, "[logs] max_size: unknown key", "known keys: max-size"),
        (
            '[logs]\nmax-size = "10 rolls"\n',
            2,
            "max-size: expected a size of 1Ki or more, like 100Mi, or 0, got 10 r",
            "",
        ),
        ("[logs]\nmax-size = 1023\n", 2, "max-size: expected a size of 1Ki or more", ""),
        (
            'strict = true\nlogs_max_size = "10Mi"\n',
            2,
            "logs_max_size: unknown key",
            "write max-size in the table [logs]",
        ),
        (f"[logs]\nmax-size = {'9' * 30}\n", 2, "max-size: expected a size of 1Ki or more", ""),
        ("[runs]\nkeep = 0\n", 2, "keep: expected a number from 1 on, got 0", ""),
        ("[runs]\nkeep = -3\n", 2, "keep: expected a number from 1 on, got -3", ""),
        ("[runs]\nkeep = true\n", 2, "keep: expected a number from 1 on, got True", ""),
        ("[runs]\nkeep = 2.5\n", 2, "keep: expected a number from 1 on, got 2.5", ""),
        ("[runs]\nkept = 5\n", 2, "[runs] kept: unknown key", "known keys: keep"),
        ("[logs]\nmax-size = true\n", 2, "max-size: expected text, got True", ""),
    ],
)
def test_a_wrong_line_of_a_file_is_named(project, environ, text, line, message, hint):
    path = project / "kfrun.toml"
    path.write_text(text)
    with pytest.raises(UsageProblem) as caught:
        settings.load({}, environ, project)
    assert caught.value.message.startswith(f"{path}:{line}: {message}")
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "size"),
    [('"10Mi"', 10 << 20), ('"1g"', 10**9), ("4096", 4096), ('"64kiB"', 1 << 16), ('"0"', 0), ('"2KB"', 2000)],
)
def test_the_size_of_logs_stands_in_a_table_of_its_own(project, environ, text, size):
    (project / "kfrun.toml").write_text(f"strict = true\n[lint]\n[logs]\nmax-size = {text}\n")
    found = settings.load({}, environ, project)
    assert settings.size(found.logs_max_size) == size
    assert (found.strict, str(found.origins["logs_max_size"])) == (True, f"project {project}/kfrun.toml")
    assert settings.size(settings.load({}, {**environ, "KFRUN_LOGS_MAX_SIZE": "1Ki"}, project).logs_max_size) == 1024


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"a = \n", "is not valid TOML: Invalid value (at line 1"), (b"a = '\xff'", "is not UTF-8 text")],
)
def test_a_file_that_is_no_toml_is_named(project, environ, data, message):
    (project / "kfrun.toml").write_bytes(data)
    with pytest.raises(UsageProblem, match=r"kfrun\.toml") as caught:
        settings.load({}, environ, project)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("KFRUN_STRICT", "1", True),
        ("KFRUN_STRICT", "No", False),
        ("KFRUN_RETRY_DELAY", "0.5", 0.5),
        ("KFRUN_COLOR", "never", "never"),
        ("KFRUN_NAMESPACE", "", "default"),
    ],
)
def test_every_key_can_be_set_by_a_variable(project, environ, name, text, value):
    found = settings.load({}, {**environ, name: text}, project)
    assert getattr(found, name.removeprefix("KFRUN_").lower()) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("KFRUN_STRICT", "maybe", "KFRUN_STRICT=maybe: expected true or false"),
        ("KFRUN_RETRY_DELAY", "soon", "KFRUN_RETRY_DELAY=soon: expected a number of seconds"),
        ("KFRUN_RETRY_DELAY", "nan", "expected a number of seconds"),
        ("KFRUN_LOGS_MAX_SIZE", "9" * 5000, "KFRUN_LOGS_MAX_SIZE: expected a size of 1Ki or more"),
        ("KFRUN_COLOR", "red", "KFRUN_COLOR: expected auto, always, never, got red"),
    ],
)
def test_a_wrong_variable_is_named(project, environ, name, text, message):
    with pytest.raises(UsageProblem) as caught:
        settings.load({}, {**environ, name: text}, project)
    assert message in caught.value.message


def test_a_wrong_flag_is_named_as_it_is_written(project, environ):
    with pytest.raises(UsageProblem, match=r"--trainer-version: expected v2\.0, "):
        settings.load({"trainer_version": "two"}, environ, project)


def test_the_longest_wait_follows_a_longer_first_one_but_must_not_contradict_it(project, environ):
    assert settings.load({}, {**environ, "KFRUN_RETRY_DELAY": "400"}, project).max_retry_delay == 400.0
    environ |= {"KFRUN_RETRY_DELAY": "5", "KFRUN_MAX_RETRY_DELAY": "4"}
    with pytest.raises(UsageProblem, match="max_retry_delay is shorter"):
        settings.load({}, environ, project)


@pytest.mark.parametrize(
    ("setting", "environ", "is_terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"CI": "true"}, True, False),
        ("auto", {"FORCE_COLOR": "1", "CI": "true"}, False, True),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_is_used_where_it_is_wanted(setting, environ, is_terminal, expected):
    assert settings.uses_color(setting, environ, is_terminal=is_terminal) is expected


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e3", "٣", "9999999"])
def test_the_number_of_runs_that_are_kept_is_a_number(text: str, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "KFRUN_RUNS_KEEP": text}
    with pytest.raises(UsageProblem, match="KFRUN_RUNS_KEEP: expected a number from 1 on"):
        settings.load({}, environ, tmp_path)
    assert settings.load({}, {**environ, "KFRUN_RUNS_KEEP": "3"}, tmp_path).runs_keep == 3
