"""The Python environments that jobs get: shared or their own, what they hold, and what a job may do in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import eventually

if TYPE_CHECKING:
    from tests.conftest import Kfrun


_ISOLATED = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: job
  annotations:
    kfrun.dev/packages: six
    kfrun.dev/environment: isolated
spec:
  runtimeRef: {{name: plain-python}}
  trainer: {{command: [python, -c, "{code}"]}}
"""


def environments(kfrun: Kfrun) -> list[str]:
    return [path.parent.name for path in (kfrun.home / "cache" / "environments").glob("*/kfrun.json")]


@pytest.mark.parametrize("code", ["import six", "import six; raise SystemExit(4)"])
def test_an_isolated_environment_goes_with_the_jobs_end_however_it_ended(kfrun: Kfrun, code: str) -> None:
    path = kfrun.write("job.yaml", _ISOLATED.format(code=code))
    done = kfrun("run", "-q", "-f", path)
    assert done.returncode == (4 if "4" in code else 0), done.stderr
    assert "Python packages are installed" in done.stderr
    left = [item for item in (kfrun.home / "cache" / "environments").iterdir() if item.is_dir()]
    assert not left


def test_an_isolated_environment_goes_with_a_deleted_job(kfrun: Kfrun) -> None:
    path = kfrun.write("job.yaml", _ISOLATED.format(code="import six, time; print('up', flush=True); time.sleep(60)"))
    kfrun.ok("apply", "-q", "-f", path)
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    assert len(environments(kfrun)) == 1
    kfrun.ok("delete", "--now", "tj/job")
    assert not environments(kfrun)


def test_an_isolated_environment_is_kept_on_request_and_its_own(kfrun: Kfrun) -> None:
    path = kfrun.write("job.yaml", _ISOLATED.format(code="import six"))
    kfrun.ok("run", "-q", "--keep-environment", "-f", path)
    (first,) = environments(kfrun)
    kfrun.ok("run", "-q", "--keep-environment", "-f", path)
    assert first in environments(kfrun)
    assert len(environments(kfrun)) == 2


def test_an_isolated_environment_is_the_jobs_own_also_without_packages(kfrun: Kfrun) -> None:
    code = "import subprocess, sys; print(sys.prefix); subprocess.run(['pip', '--version'], check=True)"
    path = kfrun.write("job.yaml", _ISOLATED.format(code=code).replace("    kfrun.dev/packages: six\n", ""))
    assert "without packages, removed when the job ends" in kfrun.ok("plan", "-f", path)
    prefix, pip = kfrun.ok("run", "-q", "-f", path).splitlines()
    assert Path(prefix).parent == kfrun.home / "cache" / "environments"
    assert f" from {prefix}/lib" in pip
    assert not Path(prefix).exists()


def test_pip_in_a_job_never_is_the_callers(kfrun: Kfrun) -> None:
    callers = kfrun.folder / "bin"
    callers.mkdir()
    for name in ("pip", "pip3"):
        (callers / name).write_text("#!/bin/sh\necho the pip of the caller\n")
        (callers / name).chmod(0o755)
    variables = {"PATH": f"{callers}:{kfrun.env['PATH']}", "PIP_TARGET": str(callers), "VIRTUAL_ENV": str(callers)}
    code = "import os; print(*map(os.environ.get, ('VIRTUAL_ENV', 'PIP_TARGET'))); os.execvp('pip3', ['pip3', '-V'])"
    done = kfrun(
        "run",
        "-q",
        "-f",
        kfrun.write("job.yaml", _ISOLATED.replace("isolated", "shared").format(code=code)),
        **variables,
    )
    assert done.returncode == 1
    assert "None None\nkfrun: pip3: this environment is shared by all jobs" in done.stdout
    done = kfrun("run", "-q", "-f", kfrun.write("job.yaml", _ISOLATED.format(code=code)), **variables)
    assert done.returncode == 0, done.stderr
    own, version = done.stdout.splitlines()
    assert own == f"{version.split(' from ')[1].split('/lib/')[0]} None"


OURS = """\
[project]
name = "ours"
version = "1"
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[tool.setuptools]
py-modules = ["ours"]
"""


def test_a_package_beside_the_manifest_is_installed_and_its_changes_are_seen(kfrun: Kfrun) -> None:
    folder = kfrun.folder / "sub" / "ours"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(OURS)
    text = _ISOLATED.replace("isolated", "shared").replace("packages: six", "packages: ours @ ./ours")
    path = kfrun.write("sub/job.yaml", text.format(code="import ours; print(ours.TEXT)"))
    for said in ("first", "second"):
        (folder / "ours.py").write_text(f"TEXT = {said!r}\n")
        assert kfrun.ok("run", "-q", "-f", path) == f"{said}\n"
    assert kfrun.ok("run", "-q", "-f", path) == "second\n"
    assert len(environments(kfrun)) == 2


def test_a_package_that_is_not_beside_the_manifest_is_refused_at_its_line(kfrun: Kfrun) -> None:
    text = _ISOLATED.replace("packages: six", "packages: ours @ ./ours").format(code="pass")
    path = kfrun.write("job.yaml", text)
    done = kfrun("run", "-q", "-f", path)
    assert done.returncode == 1
    assert "job.yaml:6:25: error KF602: ours cannot be installed" in done.stderr
    done = kfrun("run", "-f", "-", stdin=text)
    assert done.returncode == 1
    assert '<stdin>:6:25: error KF413: "./ours" leads nowhere' in done.stderr
    (kfrun.folder / "ours").mkdir()
    assert "has neither pyproject.toml nor setup.py" in kfrun("run", "-q", "-f", path).stderr


def test_a_shared_environment_is_built_once_and_stays(kfrun: Kfrun) -> None:
    text = _ISOLATED.replace("isolated", "shared")
    code = "import six, sys; print(sys.prefix)"
    kfrun.ok("run", "-q", "-f", kfrun.write("job.yaml", text.format(code=code)))
    done = kfrun(
        "run", "-q", "-f", kfrun.write("other.yaml", text.format(code=code).replace("name: job", "name: other"))
    )
    assert "Installing" not in done.stderr
    assert done.stdout.strip().endswith(environments(kfrun)[0])
    assert len(environments(kfrun)) == 1
