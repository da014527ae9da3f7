from __future__ import annotations

import errno
import os
import signal
import site
import subprocess
import sys
from pathlib import Path

import click
import pytest

from kfrun import __main__
from kfrun.cli import exits, main
from kfrun.errors import (
    Conflict,
    Interrupted,
    InvalidInput,
    KfrunError,
    NotFound,
    Unavailable,
    UsageProblem,
    WaitTimeout,
)
from kfrun.model.source import Finding, Position, Stage
from kfrun.version import __version__
from tests.cli.manifests import JOB

# with the newest versions of everything, what is going to change is no error yet: tests.resolutions
WARNINGS = ("-W", os.environ.get("KFRUN_TEST_WARNINGS", "error"))
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("KFRUN_", "PYTHON", "COV_"))}


def kfrun(*arguments, code=None, **options):
    """Run kfrun in a process of its own; ``code`` is run instead of the program."""
    command = [sys.executable, *WARNINGS, *(["-c", code] if code else ["-m", "kfrun"]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **{"env": CLEAN, **options})


def fail_with(error):
    def command():
        raise error

    return exits.guard(command)


@pytest.mark.parametrize("arguments", [["--version"], ["version"], ["version", "-o", "text"]])
def test_the_version_is_printed(arguments, capsys):
    assert __main__.main(arguments) == 0
    assert capsys.readouterr().out == f"kfrun {__version__}\n"


def test_help_names_every_verb_and_every_exit_code(capsys):
    assert __main__.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in main.COMMANDS)
    assert all(f"\n  {code} " in shown for code, _ in exits.TABLE)


def test_help_and_version_import_no_verb_and_nothing_heavy():
    code = (
        "import sys; from kfrun.__main__ import main; main(sys.argv[1:]);"
        "heavy = {'yaml', 'jsonschema', 'jsonschema_rs', 'jinja2', 'packaging', 'sqlite3', 'subprocess', 'asyncio',"
        " 'logging', 'importlib.metadata', 'http.client', 'tomllib'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr);"
        "print(sorted(m for m in sys.modules if m.startswith(('kfrun.', 'click'))), file=sys.stderr)"
    )
    version = kfrun("--version", code=code)
    assert version.stderr.splitlines() == ["[]", "['kfrun.__main__', 'kfrun.version']"]
    shown = kfrun("--help", code=code).stderr.splitlines()
    assert shown[0] == "[]"
    assert "kfrun.cli.main" in shown[1]
    assert "kfrun.cli.verbs.validate" not in shown[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["aply"], 'error: there is no verb "aply"; did you mean "apply"?'),
        (["qqqqq"], 'error: there is no verb "qqqqq"'),
        (["--bogus"], "--bogus"),
        (["plan", "--bogus"], "--bogus"),
        (["plan"], "-f"),
        (["validate", "-f", "x", "-o", "xml"], "xml"),
    ],
)
def test_a_wrong_command_line_is_explained_with_code_2(arguments, message, capsys):
    assert __main__.main(arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "--help" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("no"), 1),
        (Conflict("no"), 1),
        (UsageProblem("no"), 2),
        (Unavailable("no"), 3),
        (KfrunError("no"), 3),
        (WaitTimeout("no"), 124),
        (Interrupted("no"), 130),
        (click.UsageError("no"), 2),
    ],
)
def test_each_error_has_its_code_and_a_message(error, code, capsys):
    assert fail_with(error) == code
    assert capsys.readouterr().err == "error: no\n"


def test_the_way_out_is_shown(capsys):
    assert fail_with(NotFound("no job", "kfrun get")) == 1
    assert capsys.readouterr().err == "error: no job\nhint: kfrun get\n"


def test_messages_cannot_steer_the_terminal(capsys):
    fail_with(NotFound("no job \x1b[2J\x9b1mx", "a\nb"))
    assert capsys.readouterr().err == "error: no job \\x1b[2J\\x9b1mx\nhint: a\\nb\n"


def test_refused_input_shows_its_findings(capsys):
    finding = Finding("KF999", "wrong", Stage.RULE, position=Position("job.yaml", 3, 5), excerpt="  name: x")
    assert fail_with(InvalidInput([finding])) == 1
    shown = capsys.readouterr().err
    assert "job.yaml:3:5" in shown
    assert "KF999" in shown


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/y"),
            "error: /x/y: No space left on device\nhint: free some",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "error: /x: Permission denied\nhint: look at the"),
        (RecursionError(), "error: the input is nested too deeply"),
        (MemoryError(), "error: out of memory"),
    ],
)
def test_bad_luck_is_told_in_one_line_with_code_3(error, message, capsys):
    assert fail_with(error) == 3
    shown = capsys.readouterr().err
    assert shown.startswith(message)
    assert "Traceback" not in shown


def test_a_bug_leaves_its_traceback_in_a_private_file(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert fail_with(ValueError("broken")) == 3
    shown = capsys.readouterr().err
    (report,) = tmp_path.iterdir()
    assert str(report) in shown
    assert "Traceback" not in shown
    assert report.stat().st_mode & 0o777 == 0o600
    assert "ValueError: broken" in report.read_text()


def test_a_bug_is_told_where_no_file_can_be_written(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    assert fail_with(ValueError("broken")) == 3
    assert capsys.readouterr().err.startswith("error: internal error: ValueError: broken\n")


def test_debugging_shows_the_traceback(capsys, monkeypatch):
    monkeypatch.setenv("KFRUN_DEBUG", "1")
    assert fail_with(NotFound("no")) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c_is_silent(error, capsys):
    assert fail_with(error) == 130
    assert capsys.readouterr().err == ""


def test_ctrl_c_in_a_process_shows_no_traceback():
    code = (
        "import os, signal, sys\n"
        "from kfrun.cli.exits import guard\n"
        "def command():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    signal.pause()\n"
        "sys.exit(guard(command))\n"
    )
    ended = kfrun(code=code, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    assert (ended.returncode, ended.stderr) == (130, "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["config", "view"]])
def test_a_reader_that_went_away_is_no_traceback(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, *WARNINGS, "-m", "kfrun", *arguments]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, env=CLEAN)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize(("arguments", "code"), [(["validate", "--no-such"], 2), (["validate", "none.yaml"], 1)])
def test_a_code_stays_where_nobody_reads_the_errors(arguments, code):
    process = subprocess.Popen(
        [sys.executable, "-m", "kfrun", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    process.stderr.close()
    assert process.wait(timeout=60) == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["config", "view"]])
def test_a_full_disk_under_the_output_is_told(arguments):
    with open("/dev/full", "w") as full:
        command = [sys.executable, *WARNINGS, "-m", "kfrun", *arguments]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=CLEAN)
    assert ended.returncode == 3
    assert ended.stderr.startswith("error: No space left on device\n")
    assert "Traceback" not in ended.stderr


def test_output_that_the_terminal_cannot_show_is_escaped(tmp_path):
    environ = {**CLEAN, "PYTHONIOENCODING": "ascii", "KFRUN_HOME": str(tmp_path / "ü")}
    ended = kfrun("config", "view", env=environ)
    assert ended.returncode == 0
    assert "\\xfc" in ended.stdout


def test_a_verb_is_completed_without_being_imported():
    ended = kfrun(env={**CLEAN, "_KFRUN_COMPLETE": "kfrun re"})
    offered = [line.split("\t")[:2] for line in ended.stdout.splitlines()]
    assert sorted(offered) == [["plain", word] for word in ("render", "replace", "rerun", "resume")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell, capfd):
    assert __main__.main(["completion", shell]) == 0
    assert "_KFRUN_COMPLETE" in capfd.readouterr().out


def test_the_settings_are_shown_with_their_origin(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KFRUN_HOME", str(tmp_path))
    monkeypatch.setenv("KFRUN_NAMESPACE", "team")
    assert __main__.main(["config", "view", "--origin"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'namespace = "team"  # environment KFRUN_NAMESPACE' in lines
    assert f'state_dir = "{tmp_path}/state"  # environment KFRUN_HOME' in lines
    assert 'backend = "process"  # default' in lines
    assert lines[lines.index("[logs]") :][:3] == ["[logs]", "# max-size is not set  # default", ""]
    assert lines[lines.index("[runs]") :][:2] == ["[runs]", "keep = 20  # default"]
    monkeypatch.setenv("KFRUN_LOGS_MAX_SIZE", "10Mi")
    assert __main__.main(["config", "view"]) == 0
    assert '\n\n[logs]\nmax-size = "10Mi"\n\n[runs]\nkeep = 20\n' in capsys.readouterr().out


def test_a_current_folder_that_is_gone_is_told(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os; os.rmdir(os.getcwd()); from kfrun.__main__ import main; raise SystemExit(main(['config', 'view']))"
    )
    root = str(Path(__main__.__file__).parent.parent)
    ended = kfrun(code=code, cwd=gone, env={**CLEAN, "PYTHONPATH": root})
    assert ended.returncode == 2
    assert "the current folder does not exist" in ended.stderr


# What belongs to the caller


def foreign(folder, *names):
    """A folder of modules that no kfrun may import."""
    folder.mkdir()
    for name in names:
        (folder / f"{name}.py").write_text("raise ImportError('of another Python')\n")
    return folder


LIBRARIES = ("click", "yaml", "jsonschema", "jsonschema_rs", "jinja2", "packaging", "sqlite3", "json", "kfrun_plugin")
VALIDATE = ("validate", "--no-cache", "-f", "job.yaml")


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "job.yaml").write_text(JOB)
    return folder


def script(tmp_path):
    """The program as an installer makes it."""
    path = tmp_path / "kfrun"
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom kfrun.__main__ import main\nsys.exit(main())\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    "names", [LIBRARIES, ("sitecustomize", *LIBRARIES), ("usercustomize", "copy", "decimal", "threading")]
)
@pytest.mark.parametrize("relative", [False, True])
def test_modules_of_the_callers_python_path_are_never_imported(names, relative, project, tmp_path):
    folder = foreign(project / "modules", *names)
    path = os.pathsep.join((str(tmp_path), "modules" if relative else str(folder), ""))
    env = {**CLEAN, "PYTHONPATH": path, "KFRUN_HOME": str(tmp_path / "home")}
    own = subprocess.run(
        [script(tmp_path), *VALIDATE], cwd=project, env=env, capture_output=True, text=True, timeout=60
    )
    assert (own.returncode, own.stdout) == (0, "job.yaml: trainjob.trainer.kubeflow.org/mnist is valid\n"), own.stderr
    as_module = kfrun(*VALIDATE, cwd=project, env=env)
    assert (as_module.returncode, as_module.stdout) == (0, own.stdout), as_module.stderr


def test_modules_of_the_current_folder_are_never_imported(project, tmp_path):
    for name in LIBRARIES:
        (project / f"{name}.py").write_text("raise ImportError('mine')\n")
    done = kfrun(*VALIDATE, cwd=project, env={**CLEAN, "KFRUN_HOME": str(tmp_path / "home")})
    assert (done.returncode, done.stderr) == (0, "")


def test_another_kfrun_on_the_callers_python_path_is_not_run(project, tmp_path):
    package = project / "modules" / "kfrun"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    source = Path(__main__.__file__).read_text()
    (package / "__main__.py").write_text(source.replace("from kfrun.cli.main import run", "run = lambda _: 77"))
    env = {**CLEAN, "PYTHONPATH": str(package.parent), "KFRUN_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [script(tmp_path), *VALIDATE], cwd=project, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("variable", ["site", "library"])
def test_a_python_path_that_names_this_pythons_own_folders_does_no_harm(variable, project, tmp_path):
    folder = site.getsitepackages()[0] if variable == "site" else str(Path(os.__file__).parent)
    env = {**CLEAN, "PYTHONPATH": folder, "KFRUN_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [script(tmp_path), *VALIDATE], cwd=project, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("places", [1, 2], ids=["with what it needs", "apart from what it needs"])
def test_a_kfrun_that_is_found_through_the_python_path_alone_still_works(places, project, tmp_path):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True, timeout=60)
    folders = [tmp_path / f"target{number}" for number in range(places)]
    for folder in folders:
        folder.mkdir()
    for entry in Path(site.getsitepackages()[0]).iterdir():
        if entry.suffix != ".pth" and entry.name != "kfrun":
            (folders[-1] / entry.name).symlink_to(entry)
    (folders[0] / "kfrun").symlink_to(Path(__main__.__file__).parent)
    path = os.pathsep.join(map(str, folders))
    done = subprocess.run(
        [str(bare / "bin" / "python"), "-m", "kfrun", *VALIDATE],
        cwd=project,
        env={**CLEAN, "PYTHONPATH": path, "KFRUN_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_checkout_on_the_python_path_brings_nothing_else_with_it(project, tmp_path):
    bad = foreign(project / "modules", *LIBRARIES)
    root = Path(__main__.__file__).parents[1]
    env = {**CLEAN, "PYTHONPATH": f"{bad}{os.pathsep}{root}", "KFRUN_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [script(tmp_path), *VALIDATE], cwd=project, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_wrapper_that_always_sets_the_python_path_is_no_endless_loop(project, tmp_path):
    folder = project / "modules"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import sys; sys.executable = {str(tmp_path / 'python')!r}\n")
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    env = {**CLEAN, "KFRUN_HOME": str(tmp_path / "home")}
    command = [str(wrapper), "-m", "kfrun", *VALIDATE]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_without_a_python_path_nothing_is_started_anew(monkeypatch):
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started anew"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    before = list(sys.path)
    __main__._leave_callers_modules()
    assert sys.path == before
