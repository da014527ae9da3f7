"""kfrun.execute.environments: real uv and pip, real processes, local packages."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from kfrun.errors import EnvironmentFailed
from kfrun.execute import environments
from kfrun.execute.environments import installers, locks
from kfrun.execute.environments.credentials import Scrubber, without_credentials
from tests.execute.environments import environment_setup as setup
from tests.execute.environments.environment_setup import make_wheel, request


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "wheels"
    make_wheel(folder)
    return folder


@pytest.fixture
def environ(tmp_path, wheels):
    """pip's settings only: uv must honour them."""
    return setup.clean_environ(
        PIP_FIND_LINKS=str(wheels), PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull, UV_CACHE_DIR=str(tmp_path / "uv")
    )


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def build(cache, environ):
    """Build and return the folder and what was logged."""

    def run(wanted, **variables):
        log = io.BytesIO()
        path = environments.build(wanted, cache, log, {**environ, **variables})
        return path, log.getvalue().decode()

    return run


# Building


def test_uv_builds_a_complete_environment_at_its_final_place(build, cache):
    wanted = request("tinypkg==1.0")
    path, log = build(wanted)
    assert path == environments.location(wanted, cache)
    assert environments.is_ready(path)
    assert setup.output_of(path, "python", "-c", "import tinypkg; print(tinypkg.VERSION)") == "1.0"
    # A console script holds the path of its interpreter: a folder moved after the build would break it.
    assert setup.output_of(path, "tinypkg-hello") == "hello from 1.0"
    assert "tinypkg" in log


def test_what_is_built_is_private_and_holds_no_leftovers(build, cache):
    path, _ = build(request("tinypkg"))
    assert {stat.S_IMODE(item.stat().st_mode) for item in (path, path.parent)} == {0o700}
    assert sorted(item.name for item in path.parent.iterdir()) == [path.name]
    assert not (path / "requirements.txt").exists()


def test_a_ready_environment_is_used_again_without_an_installer(build, cache):
    path, _ = build(request("tinypkg"))
    os.utime(path / "kfrun.json", (1, 1))
    again, log = build(request("tinypkg"), PATH="/nonexistent", UV_CACHE_DIR="/nonexistent")
    assert (again, log) == (path, "")
    assert environments.listing(cache)[0].last_used > 1


def test_pip_builds_the_same_with_the_settings_of_uv(build, wheels):
    variables = {"PIP_FIND_LINKS": "", "PIP_NO_INDEX": "", "UV_FIND_LINKS": str(wheels), "UV_OFFLINE": "1"}
    path, log = build(request("tinypkg", installer="pip"), **variables)
    assert setup.output_of(path, "tinypkg-hello") == "hello from 1.0"
    assert "Successfully installed tinypkg-1.0" in log
    assert environments.listing(path.parents[1])[0].installer == "pip"


def test_pip_serves_where_uv_is_not_there_and_site_packages_are_off(cache, environ, tmp_path):
    python = environments.default_interpreter()
    assert not Path(python).with_name("uv").exists(), "this interpreter has uv beside it: the test would not test pip"
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1));"
        "from kfrun.execute.environments import main; sys.exit(main(sys.argv[1:]))"
    )
    import json

    (tmp_path / "request.json").write_text(json.dumps(request("tinypkg").to_json()))
    done = subprocess.run(
        [python, "-I", "-S", "-c", code, setup.ROOT, tmp_path / "request.json", cache],
        capture_output=True,
        text=True,
        env={**environ, "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert environments.listing(cache)[0].installer == "pip"


def test_packages_of_the_public_index_are_installed(cache):
    """With the settings of this machine as they are: the one test of this file that needs the package index."""
    path = environments.build(request("six==1.17.0", "packaging==24.2"), cache, io.BytesIO())
    assert setup.output_of(
        path, "python", "-c", "import six, packaging as p; print(six.__version__, p.__version__)"
    ) == ("1.17.0 24.2")


def test_no_requirements_make_an_empty_environment(build):
    path, _ = build(request())
    assert setup.output_of(path, "python", "-c", "import sys; print(sys.prefix)") == str(path)


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_caller_s_own_places_for_packages_are_left_alone(build, tmp_path, installer):
    path, _ = build(
        request("tinypkg", installer=installer),
        VIRTUAL_ENV=str(tmp_path),
        PYTHONPATH="/nonexistent",
        PYTHONHOME="/nonexistent",
        PIP_TARGET=str(tmp_path / "target"),
        PIP_USER="1",
        UV_SYSTEM_PYTHON="1",
    )
    assert setup.output_of(path, "tinypkg-hello") == "hello from 1.0"
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(("variable", "compiled"), [({}, False), ({"PYTHONDONTWRITEBYTECODE": "1"}, True)])
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_bytecode_is_compiled_only_where_python_would_not_write_it(tmp_path, installer, variable, compiled):
    chosen = installers.choose(request("a", installer=installer), tmp_path, setup.clean_environ(**variable))
    assert ("--compile-bytecode" in chosen.install) is (compiled and installer == "uv")
    assert ("--no-compile" in chosen.install) is (not compiled and installer == "pip")


def test_relative_folders_of_the_caller_are_found(build, wheels):
    path, _ = build(request("tinypkg"), PIP_FIND_LINKS="wheels", PWD=str(wheels.parent))
    assert environments.is_ready(path)


# Python versions


def test_the_own_version_needs_no_search(build):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    path, _ = build(request("tinypkg", python=version), PATH="/nonexistent")
    assert path == environments.location(request("tinypkg"), path.parents[1])


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_python_that_is_not_there_is_named_with_the_way_out(build, cache, installer):
    with pytest.raises(EnvironmentFailed, match=r"Python 3\.99") as caught:
        build(request(python="3.99", installer=installer), UV_PYTHON_DOWNLOADS="never")
    assert "install" in caught.value.hint
    assert "kfrun.dev/python" in caught.value.hint
    assert environments.listing(cache) == []


def _other_python() -> Path | None:
    own = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folders = [*map(Path, os.get_exec_path()), *Path.home().glob(".pyenv/versions/*/bin")]
    for file in (item for folder in folders for item in sorted(folder.glob("python3.1[1-9]"))):
        if file.name != own and subprocess.run([file, "-c", ""], capture_output=True).returncode == 0:
            return file
    return None


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_another_python_on_path_is_used(build, cache, installer):
    other = _other_python()
    if other is None:
        pytest.skip("this machine has one Python only")
    version = other.name.removeprefix("python")
    path, _ = build(request(python=version, installer=installer), PATH=f"{other.parent}:/usr/bin:/bin")
    shown = setup.output_of(path, "python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    assert shown == version
    assert environments.listing(cache)[0].python.startswith(f"{version}.")


# Failures


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_an_unresolvable_requirement_fails_with_the_installer_s_words(build, cache, installer):
    with pytest.raises(
        EnvironmentFailed, match=rf"{installer} could not install the packages.*\n(.*\n)*.*tinypkg"
    ) as caught:
        build(request("tinypkg>=2", installer=installer))
    assert "kfrun.dev/packages" in caught.value.hint
    assert len(caught.value.message.splitlines()) <= 11
    assert list((cache / "environments").iterdir()) == []


@pytest.mark.parametrize("text", ["-e .", "--index-url=x", "six --hash=x", "-r other.txt", "six\n-e .", "six\\", " "])
def test_options_among_the_packages_are_refused(build, text):
    with pytest.raises(EnvironmentFailed, match="not a requirement"):
        build(request(text))


def test_a_cache_that_cannot_be_written_is_named(tmp_path, environ):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFailed, match="is no folder but a file") as caught:
        environments.build(request("tinypkg"), tmp_path / "file", io.BytesIO(), environ)
    assert "KFRUN_CACHE_DIR" in caught.value.hint


def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path, wheels, environ):
    disk, log = tmp_path / "disk", tmp_path / "log"
    disk.mkdir()
    big = make_wheel(wheels, "bigpkg")
    import zipfile

    with zipfile.ZipFile(big, "a") as archive:
        archive.writestr("bigdata.bin", os.urandom(2_000_000))
    import json

    (tmp_path / "request.json").write_text(json.dumps(request("bigpkg").to_json()))
    script = f"""
        mount -t tmpfs -o size=1m tmpfs {disk} || exit 77
        {sys.executable} -m kfrun.execute.environments {tmp_path}/request.json {disk} > {log} 2>&1
        code=$?
        ls -A {disk}/environments
        exit $code
    """
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        capture_output=True,
        text=True,
        env={**environ, "PYTHONPATH": str(setup.ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 3, log.read_text()
    assert "free some space" in log.read_text().splitlines()[-1]
    assert done.stdout == ""


# Several builders, killed builders


def _finish(process: subprocess.Popen, log: Path) -> int:
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        pytest.fail(f"the builder hangs: {log.read_text()}")


def test_of_concurrent_builders_one_builds_and_the_others_wait(tmp_path, cache, environ, wheels):
    setup.make_slow_sdist(wheels)
    variables = {**environ, "KFRUN_TEST_FOLDER": str(tmp_path)}
    logs = [tmp_path / f"log{number}" for number in range(4)]
    builders = [setup.start_builder(request("slowpkg"), cache, log, variables) for log in logs]
    try:
        setup.until(lambda: sum("waiting" in log.read_text() for log in logs) == 3, "three builders to wait")
    finally:
        (tmp_path / "go").touch()
        codes = [_finish(builder, log) for builder, log in zip(builders, logs, strict=True)]
    assert codes == [0, 0, 0, 0], [log.read_text() for log in logs]
    assert sum("Installed 1 package" in log.read_text() for log in logs) == 1
    path = environments.location(request("slowpkg"), cache)
    assert setup.output_of(path, "python", "-c", "import slowpkg; print(slowpkg.VALUE)") == "built"


@pytest.mark.parametrize("spared", ["installer", "nothing"])
def test_after_kill_9_of_a_builder_the_next_one_builds_anew(tmp_path, cache, environ, wheels, spared):
    setup.make_slow_sdist(wheels)
    variables = {**environ, "KFRUN_TEST_FOLDER": str(tmp_path)}
    path = environments.location(request("slowpkg"), cache)
    first = setup.start_builder(request("slowpkg"), cache, tmp_path / "first", variables)
    setup.until((tmp_path / "started").exists, "the installer to be at work")
    if spared == "installer":
        first.kill()
    else:
        os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert path.exists()
    assert not environments.is_ready(path)
    second = setup.start_builder(request("slowpkg"), cache, tmp_path / "second", variables)
    try:
        if spared == "installer":
            # The orphan still writes into the folder: nobody else may.
            setup.until(lambda: "waiting" in (tmp_path / "second").read_text(), "the second builder to wait")
            assert [info.state for info in environments.listing(cache)] == ["building"]
    finally:
        (tmp_path / "go").touch()
        code = _finish(second, tmp_path / "second")
    assert code == 0, (tmp_path / "second").read_text()
    assert setup.output_of(path, "python", "-c", "import slowpkg; print(slowpkg.VALUE)") == "built"


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["to the builder", "to its group"])
def test_sigterm_ends_the_installer_and_removes_what_was_half_built(tmp_path, cache, environ, wheels, send):
    setup.make_slow_sdist(wheels)
    variables = {**environ, "KFRUN_TEST_FOLDER": str(tmp_path)}
    builder = setup.start_builder(request("slowpkg"), cache, tmp_path / "log", variables)
    setup.until((tmp_path / "started").exists, "the installer to be at work")
    send(builder.pid, signal.SIGTERM)
    assert _finish(builder, tmp_path / "log") == 143
    assert list((cache / "environments").iterdir()) == []
    worker = int((tmp_path / "started").read_text().split()[0])
    setup.until(lambda: not _is_alive(worker), "the build of the package to be gone")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and re.search(r"^State:\s+Z", status.read_text(), re.MULTILINE))


def test_an_environment_without_its_interpreter_is_built_anew(build):
    path, _ = build(request("tinypkg"))
    (path / "bin" / "python").unlink()
    assert not environments.is_ready(path)
    build(request("tinypkg"))
    assert setup.output_of(path, "tinypkg-hello") == "hello from 1.0"


def test_main_tells_the_reason_last_and_exits_3(tmp_path, cache, environ):
    builder = setup.start_builder(request("tinypkg>=2"), cache, tmp_path / "log", environ)
    assert _finish(builder, tmp_path / "log") == 3
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[-1].startswith("uv could not install the packages: exit code")
    assert not any("Traceback" in line for line in lines)


# Credentials


def test_an_index_with_a_password_serves_and_the_password_shows_nowhere(build, cache, wheels, tmp_path):
    with setup.index_server(wheels, user="ann", password="s3cret/word") as (host, served):
        url = f"http://ann:s3cret%2Fword@{host}/simple/"
        wanted = request("tinypkg", index_urls=(url,))
        path, log = build(wanted, PIP_FIND_LINKS="", PIP_NO_INDEX="")
    assert any(is_known for _, is_known in served)
    kept = "".join(item.read_text() for item in path.iterdir() if item.is_file())
    assert "s3cret" not in log + kept
    assert host in kept


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_refused_password_does_not_show_in_the_error(build, cache, wheels, installer):
    with setup.index_server(wheels, user="ann", password="right") as (host, served):
        urls = (f"http://ann:wr0ngpass@{host}/simple/",)
        with pytest.raises(EnvironmentFailed) as caught:
            build(request("tinypkg", index_urls=urls, installer=installer), PIP_FIND_LINKS="", PIP_NO_INDEX="")
    assert served
    assert "wr0ngpass" not in f"{caught.value.message} {caught.value.hint}"


def test_what_a_package_s_own_build_prints_is_scrubbed_too(cache, wheels, environ):
    setup.make_telltale_sdist(wheels)
    log = io.BytesIO()
    wanted = request("telltale", index_urls=("http://ann:hunter2word@localhost/simple",))
    with pytest.raises(EnvironmentFailed) as caught:
        environments.build(wanted, cache, log, environ)
    said = log.getvalue().decode()
    assert "UV_DEFAULT_INDEX=http://****@localhost/simple" in said
    assert "hunter2word" not in said + caught.value.message


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_no_argument_of_a_command_holds_what_the_user_wrote(tmp_path, installer):
    wanted = request("a @ https://u:p4ssword@x/a.whl", index_urls=("https://u:p4ssword@x/",), installer=installer)
    chosen = installers.choose(wanted, tmp_path, setup.clean_environ())
    assert "p4ssword" not in " ".join((*chosen.create, *chosen.install))
    assert "https://u:p4ssword@x/" in chosen.environ.values()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://ann:top-secret@host/simple", "see https://****@host/simple"),
        ("token top-secret of host", "token **** of host"),
        ("https://other:x@elsewhere/", "https://****@elsewhere/"),
        ("a%2Fb decoded as a/b-long", "**** decoded as a/b-long"),
        ("plain text, mail me@host", "plain text, mail me@host"),
    ],
)
def test_scrubbing(text, expected):
    scrub = Scrubber(("https://ann:top-secret@host/simple", "https://a%2Fb@host/"))
    assert scrub(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://ann:pw@host/simple?a@b", "https://host/simple?a@b"),
        ("https://host/a@b", "https://host/a@b"),
        ("x @ git+ssh://git@host/r.git@v1", "x @ git+ssh://host/r.git@v1"),
    ],
)
def test_urls_without_credentials(text, expected):
    assert without_credentials(text) == expected


# Keys


@pytest.mark.parametrize(
    "change",
    [
        {"requirements": ("numpy", "torch==2.1")},
        {"index_urls": ("https://host/other",)},
        {"index_urls": ()},
        {"python": "3.99"},
        {"interpreter": "/opt/python"},
        {"interpreter_facts": "cpython-3.11.8-x86_64-linux-gnu"},
        {"settings": "x"},
        {"isolated_for": "uid-1"},
        {"installer": "pip"},
    ],
    ids=str,
)
def test_what_changes_the_key(change):
    base = request("numpy", "torch==2.0", index_urls=("https://u:p@host/simple",))
    assert environments.key(replace(base, **change)) != environments.key(base)


@pytest.mark.parametrize(
    "change",
    [
        {"requirements": ("torch==2.0", "numpy")},
        {"index_urls": ("https://new:token@host/simple",)},
        {"python": ".".join(map(str, sys.version_info[:2]))},
        {"installer": "uv"},
    ],
    ids=str,
)
def test_what_does_not_change_the_key(change):
    base = request("numpy", "torch==2.0", index_urls=("https://u:p@host/simple",))
    assert environments.key(replace(base, **change)) == environments.key(base)


def test_a_request_survives_json():
    wanted = request("a", "b", index_urls=("https://u:p@x/",), python="3.12", isolated_for="u", installer="pip")
    assert environments.EnvironmentRequest.from_json(wanted.to_json()) == wanted


def test_the_facts_of_an_interpreter_are_the_same_asked_from_inside_and_outside(tmp_path):
    link = tmp_path / "python3"
    link.symlink_to(environments.default_interpreter())
    assert environments.host_facts(str(link)) == environments.host_facts(sys.executable)
    assert environments.host_facts(sys.executable).startswith(f"{sys.implementation.name}-3.")


def test_an_interpreter_that_cannot_run_is_named(tmp_path):
    with pytest.raises(EnvironmentFailed, match="nopython cannot be run"):
        environments.host_facts(str(tmp_path / "nopython"))


# Inventory


def test_listing_tells_what_was_asked_for_without_credentials(build, cache):
    path, _ = build(request("tinypkg", index_urls=("https://ann:s3cret@localhost/",), isolated_for="uid-1"))
    (info,) = environments.listing(cache)
    assert (info.path, info.key, info.state) == (path, path.name, "ready")
    assert (info.requirements, info.installer, info.isolated_for) == (("tinypkg",), "uv", "uid-1")
    assert info.python == ".".join(map(str, sys.version_info[:3]))
    assert time.time() - 60 < info.created <= info.last_used + 1
    assert environments.size(path) > 1000


def test_listing_of_no_cache_is_empty(tmp_path):
    assert environments.listing(tmp_path / "none") == []


def test_prune_spares_what_is_in_use_and_what_was_used_lately(build, cache):
    old, recent, busy = (build(request("tinypkg", isolated_for=name))[0] for name in ("old", "recent", "busy"))
    for path in (old, busy):
        os.utime(path / "kfrun.json", (1, 1))
    assert environments.prune(cache, unused_for=3600, in_use={busy}, dry_run=True)[0].path == old
    assert environments.is_ready(old)
    removed = environments.prune(cache, unused_for=3600, in_use={busy})
    assert [info.path for info in removed] == [old]
    assert not old.exists()
    assert environments.is_ready(recent)
    assert environments.is_ready(busy)
    assert [info.path for info in environments.prune(cache, unused_for=None, in_use={busy})] == [recent]
    assert sorted(item.name for item in (cache / "environments").iterdir()) == [busy.name]


def test_prune_removes_what_a_killed_builder_left_and_spares_what_is_being_built(cache):
    left, building = cache / "environments" / "left", cache / "environments" / "building"
    (left / "lib").mkdir(parents=True)
    building.mkdir()
    with locks.held(building, partial(pytest.fail, "nobody else holds it")):
        assert {info.key: info.state for info in environments.listing(cache)} == {
            "left": "incomplete",
            "building": "building",
        }
        removed = environments.prune(cache, unused_for=3600, in_use=set())
        assert [info.path for info in removed] == [left]
        assert not environments.remove(building, wait=0)
    assert environments.remove(building)
    assert list((cache / "environments").iterdir()) == []


def test_removing_an_isolated_environment_leaves_nothing(build, cache):
    path, _ = build(request("tinypkg", isolated_for="uid-1"))
    closed = path / "closed"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0o500)
    assert environments.remove(path)
    assert list((cache / "environments").iterdir()) == []
    assert environments.remove(path)


def test_half_removed_is_not_ready(build):
    path, _ = build(request("tinypkg"))
    shutil.rmtree(path / "lib")
    (path / "kfrun.json").unlink()
    assert not environments.is_ready(path)


# Weight


def test_asking_loads_nothing_heavy():
    heavy = ["subprocess", "hashlib", "shutil", "tempfile", "logging", "configparser", "tomllib", "urllib.request"]
    code = (
        f"import sys; sys.path.insert(0, {str(setup.ROOT)!r}); from pathlib import Path;"
        "from kfrun.execute import environments as e;"
        "r = e.EnvironmentRequest(('a',), (), None, '/p', 'f', '', None);"
        "e.is_ready(e.location(r, Path('/nonexistent')));"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
