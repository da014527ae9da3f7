"""Jobs whose packages are named in files beside the manifest: requirements files, projects, scripts and locks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.environments.installers import find_uv
from tests.conftest import eventually
from tests.execute.environments.environment_setup import index_server, make_wheel

if TYPE_CHECKING:
    from tests.conftest import Kfrun

_JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: job
  annotations:
    kfrun.dev/{}
spec:
  runtimeRef: {{name: plain-python}}
  trainer: {{command: [python, train.py]}}
"""
_TRAIN = """\
from importlib import metadata
found = [item for item in metadata.distributions() if item.name not in ("pip", "setuptools")]
print(*sorted(f"{item.name}=={item.version}" for item in found))
"""
_BACKEND = '''\
"""Builds the package of this folder, with nothing but the standard library."""
import pathlib
import zipfile

def _made(target, files):
    name = "our_lib-1-py3-none-any.whl"
    info = "our_lib-1.dist-info"
    with zipfile.ZipFile(pathlib.Path(target, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        extra = "Provides-Extra: train\\nRequires-Dist: tinypkg; extra == 'train'\\n"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: our-lib\\nVersion: 1\\n" + extra)
        kind = "Root-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\n" + kind)
        wheel.writestr(f"{info}/RECORD", "")
    return name

def build_editable(target, config_settings=None, metadata_directory=None):
    return _made(target, {"our_lib.pth": f"{pathlib.Path('src').resolve()}\\n"})

def build_wheel(target, config_settings=None, metadata_directory=None):
    return _made(target, {"our_lib/__init__.py": pathlib.Path("src/our_lib/__init__.py").read_text()})
'''
_PROJECT = """\
[project]
name = "our-lib"
version = "1"
dependencies = []
[project.optional-dependencies]
train = ["tinypkg"]
"""
_BUILD = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@pytest.fixture
def folder(kfrun: Kfrun) -> Path:
    """A folder with a blank in its name, wheels, and a job that says what is installed."""
    folder = kfrun.folder / "my job"
    for name, version in (("tinypkg", "1.0"), ("tinypkg", "2.0"), ("other", "1.0"), ("third", "1.0")):
        make_wheel(folder / "wheels", name, version)
    (folder / "train.py").write_text(_TRAIN)
    kfrun.env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": (folder / "wheels").as_uri()}
    kfrun.env["UV_CACHE_DIR"] = str(kfrun.home / "uv")
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "PIP_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        kfrun.env.pop(name, None)
    return folder


def write(folder: Path, annotation: str, **files: str) -> Path:
    """A manifest, and files beside it."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "job.yaml").write_text(_JOB.format(annotation))
    return folder / "job.yaml"


def environments(kfrun: Kfrun) -> int:
    return len(list((kfrun.home / "cache" / "environments").glob("*/kfrun.json")))


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_requirements_file_is_installed_with_what_it_names(kfrun: Kfrun, folder: Path, installer: str) -> None:
    path = write(
        folder,
        "requirements: requirements.txt",
        requirements_txt="# ours\n--no-index\n-f wheels\n-r reqs/base.txt  # more\n-c reqs/limits.txt\n"
        "other \\\n  ; python_version > '3.0'\nthird ; python_version < '3.0'\n",
        reqs__base_txt="tinypkg\n",
        reqs__limits_txt="tinypkg<2\n",
    )
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        kfrun.env.pop(name)
    assert "with requirements.txt (3): tinypkg, other ; python_version" in kfrun.ok("plan", "-f", path)
    assert kfrun.ok("run", "-q", "-f", path, KFRUN_INSTALLER=installer) == "other==1.0 tinypkg==1.0\n"
    assert "requirements.txt (3) tinypkg other" in kfrun.ok("env", "list")
    assert "from requirements.txt (3)\n" in kfrun.ok("describe", "tj", "job")
    assert json.loads(kfrun.ok("env", "list", "-o", "json"))["environments"][0]["sources"] == ["requirements.txt (3)"]


def test_a_changed_file_makes_another_environment_and_a_changed_comment_none(kfrun: Kfrun, folder: Path) -> None:
    path = write(folder, "requirements: requirements.txt", requirements_txt="-r base.txt\n", base_txt="tinypkg==1.0\n")
    assert kfrun.ok("run", "-q", "-f", path) == "tinypkg==1.0\n"
    (folder / "base.txt").write_text("tinypkg==1.0  # why\n")
    kfrun.ok("run", "-q", "-f", path)
    assert environments(kfrun) == 1
    (folder / "base.txt").write_text("tinypkg==2.0\n")
    assert kfrun.ok("run", "-q", "-f", path) == "tinypkg==2.0\n"
    assert environments(kfrun) == 2


def test_a_saved_plan_is_refused_when_a_nested_file_or_a_package_here_has_changed(kfrun: Kfrun, folder: Path) -> None:
    path = write(
        folder,
        "requirements: requirements.txt",
        requirements_txt="-r base.txt\n-e .\n",
        base_txt="tinypkg\n",
        pyproject_toml=_PROJECT,
    )
    saved = kfrun.folder / "plan.json"
    for name in ("base.txt", "pyproject.toml"):
        kfrun.ok("plan", "-f", path, "--out", saved)
        with (folder / name).open("a") as file:
            file.write("# changed\n")
        done = kfrun("apply", saved)
        assert done.returncode == 1
        assert f"{folder}/{name} was changed since the plan was made" in done.stderr
    kfrun.ok("plan", "-f", path, "--out", saved)
    (folder / "base.txt").unlink()
    assert '"base.txt" is not there' in kfrun("apply", saved).stderr


def test_what_was_valid_is_looked_at_again_when_a_file_has_changed(kfrun: Kfrun, folder: Path) -> None:
    path = write(folder, "requirements: requirements.txt", requirements_txt="tinypkg\n")
    for _ in range(2):
        kfrun.ok("validate", path)
    (folder / "requirements.txt").write_text("tiny pkg\n")
    done = kfrun("validate", path)
    assert done.returncode == 1
    assert f"{folder}/requirements.txt:1:1: error KF415" in done.stdout


@pytest.mark.parametrize(
    ("annotation", "files"),
    [
        ("requirements: pyproject.toml", {"pyproject_toml": _PROJECT}),
        ("requirements: pyproject.toml", {"pyproject_toml": _PROJECT + _BUILD, "backend_py": _BACKEND}),
        ("packages: -e .", {"pyproject_toml": _PROJECT + _BUILD, "backend_py": _BACKEND}),
        ("requirements: r.txt", {"pyproject_toml": _PROJECT + _BUILD, "backend_py": _BACKEND, "r_txt": "-e .\n"}),
    ],
    ids=["on the path", "a package", "packages", "requirements file"],
)
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_src_layout_works_and_edits_are_seen_without_installing(
    kfrun: Kfrun, folder: Path, annotation: str, files: dict[str, str], installer: str
) -> None:
    path = write(folder, annotation, train_py="import our_lib\nprint(our_lib.SAID)\n", **files)
    (folder / "src" / "our_lib").mkdir(parents=True)
    for said in ("first", "second"):
        (folder / "src" / "our_lib" / "__init__.py").write_text(f"SAID = {said!r}\n")
        assert kfrun.ok("run", "-q", "-f", path, KFRUN_INSTALLER=installer) == f"{said}\n"
    assert environments(kfrun) == 1


@pytest.mark.parametrize(
    ("packages", "installed"),
    [
        ("-e .[train]", "our-lib==1 tinypkg==2.0\n"),
        ("./[train]", "our-lib==1 tinypkg==2.0\n"),
        ("../my job/wheels/tinypkg-1.0-py3-none-any.whl", "tinypkg==1.0\n"),
        ("wheels/other-1.0-py3-none-any.whl", "other==1.0\n"),
        ("our-lib[train] @ .", "our-lib==1 tinypkg==2.0\n"),
    ],
)
def test_packages_are_named_by_their_paths_from_the_manifest_on(
    kfrun: Kfrun, folder: Path, packages: str, installed: str
) -> None:
    path = write(folder, f"packages: {packages!r}", pyproject_toml=_PROJECT + _BUILD, backend_py=_BACKEND)
    (folder / "src" / "our_lib").mkdir(parents=True)
    (folder / "src" / "our_lib" / "__init__.py").write_text("")
    assert kfrun.ok("run", "-q", "-f", path) == installed


def test_a_folder_that_is_no_package_is_refused_at_its_line(kfrun: Kfrun, folder: Path) -> None:
    done = kfrun("run", "-q", "-f", write(folder, "packages: -e ./wheels"))
    assert done.returncode == 1
    assert "job.yaml:6:25: error KF602" in done.stderr
    assert "has neither pyproject.toml nor setup.py" in done.stderr


def test_a_lock_is_installed_by_uv_and_refused_for_pip(kfrun: Kfrun, folder: Path) -> None:
    project = _PROJECT.replace('["tinypkg"]', '["other"]').replace("[]", '["tinypkg<2"]')
    path = write(folder, "requirements: uv.lock[train]", pyproject_toml=project)
    uv = find_uv(os.environ)
    assert uv is not None
    environ = {**kfrun.env, "UV_FIND_LINKS": str(folder / "wheels"), "UV_OFFLINE": "1"}
    subprocess.run([uv, "lock", "-q", "--no-index"], cwd=folder, env=environ, check=True, timeout=60)
    assert "with uv.lock[train] (" in kfrun.ok("plan", "-f", path)
    assert kfrun.ok("run", "-q", "-f", path, **environ) == "other==1.0 tinypkg==1.0\n"
    done = kfrun("run", "-q", "-f", path, KFRUN_INSTALLER="pip")
    assert done.returncode == 3
    assert "uv.lock is for uv to read, and the installer is pip" in done.stderr
    assert "uv export -o requirements.txt" in done.stderr


def test_what_lies_beside_a_locked_project_is_found_from_its_folder_on(kfrun: Kfrun, folder: Path) -> None:
    project = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["our-lib[train]"]\n'
    path = write(
        folder,
        "requirements: uv.lock",
        pyproject_toml=f'{project}[tool.uv.sources]\nour-lib = {{path = "libs/ours", editable = true}}\n',
        libs__ours__pyproject_toml=_PROJECT + _BUILD,
        libs__ours__backend_py=_BACKEND,
    )
    (folder / "libs" / "ours" / "src").mkdir()
    uv = find_uv(os.environ)
    assert uv is not None
    environ = {**kfrun.env, "UV_FIND_LINKS": str(folder / "wheels"), "UV_OFFLINE": "1"}
    subprocess.run([uv, "lock", "-q", "--no-index"], cwd=folder, env=environ, check=True, timeout=60)
    assert kfrun.ok("run", "-q", "-f", path, **environ) == "our-lib==1 tinypkg==2.0\n"
    path.write_text(path.read_text().replace("uv.lock", "pyproject.toml"))
    assert kfrun.ok("run", "-q", "-f", path, **environ) == "our-lib==1 tinypkg==2.0\n"


def test_a_lock_that_changes_before_it_is_read_is_not_installed(kfrun: Kfrun, folder: Path) -> None:
    path = write(folder, "requirements: uv.lock", pyproject_toml=_PROJECT)
    uv = find_uv(os.environ)
    assert uv is not None
    environ = {**kfrun.env, "UV_FIND_LINKS": str(folder / "wheels"), "UV_OFFLINE": "1"}
    subprocess.run([uv, "lock", "-q", "--no-index"], cwd=folder, env=environ, check=True, timeout=60)
    path.write_text(path.read_text().replace("spec:\n", "spec:\n  suspend: true\n"))
    kfrun.ok("apply", "-q", "-f", path)
    with (folder / "uv.lock").open("a") as file:
        file.write("# changed\n")
    kfrun.ok("resume", "job")
    eventually(lambda: "was changed after the job was applied" in kfrun("logs", "--environment", "job").stdout)


def test_a_script_brings_its_packages(kfrun: Kfrun, folder: Path) -> None:
    block = '# /// script\n# requires-python = ">=3.9"\n# dependencies = ["tinypkg==1.0"]\n# ///\n'
    path = write(folder, "requirements: train.py", train_py=block + _TRAIN)
    assert "Python >=3.9 with train.py (1): tinypkg==1.0" in kfrun.ok("plan", "-f", path)
    assert kfrun.ok("run", "-q", "-f", path) == "tinypkg==1.0\n"


def test_a_python_that_nobody_has_is_told_with_where_it_is_asked_for(kfrun: Kfrun, folder: Path) -> None:
    block = '# /// script\n# requires-python = ">=3.88"\n# dependencies = []\n# ///\n'
    done = kfrun("run", "-q", "-f", write(folder, "requirements: train.py", train_py=block), KFRUN_INSTALLER="pip")
    assert done.returncode != 0
    assert "there is no Python >=3.88 on PATH" in done.stderr


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_hashes_are_checked(kfrun: Kfrun, folder: Path, installer: str) -> None:
    import hashlib

    right = hashlib.sha256((folder / "wheels" / "tinypkg-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    path = write(folder, "requirements: r.txt", r_txt=f"tinypkg==1.0 \\\n    --hash=sha256:{right}\n")
    assert kfrun.ok("run", "-q", "-f", path, KFRUN_INSTALLER=installer) == "tinypkg==1.0\n"
    write(folder, "requirements: r.txt", r_txt=f"tinypkg==1.0 --hash=sha256:{'0' * 64}\n")
    done = kfrun("run", "-q", "-f", path, KFRUN_INSTALLER=installer)
    assert done.returncode != 0
    assert "write the hashes anew" in done.stderr


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_login_of_an_index_comes_from_a_variable_and_is_seen_nowhere(
    kfrun: Kfrun, folder: Path, installer: str
) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        kfrun.env.pop(name)
    with index_server(folder / "wheels", user="me", password="hunter2secret") as (address, served):
        text = f"-i http://me:${{INDEX_PASSWORD}}@{address}/simple\ntinypkg==${{WANTED}}\nmissing-one\n"
        path = write(folder, "requirements: requirements.txt", requirements_txt=text)
        said = {"INDEX_PASSWORD": "hunter2secret", "WANTED": "1.0", "KFRUN_INSTALLER": installer}
        texts = [kfrun.ok("plan", "-f", path, "-o", "json", **said), kfrun.ok("plan", "-f", path, **said)]
        done = kfrun("run", "-f", path, **said)
        assert done.returncode != 0, "there is no missing-one"
        texts += [done.stdout, done.stderr, kfrun.ok("events"), kfrun.ok("describe", "tj", "job")]
        texts += [kfrun.ok("logs", "--environment", "job"), kfrun.ok("get", "tj", "job", "-o", "yaml")]
        write(
            folder, "requirements: requirements.txt", requirements_txt=(folder / "requirements.txt").read_text()[:-12]
        )
        assert kfrun.ok("run", "-q", "-f", path, **said) == "tinypkg==1.0\n"
        assert kfrun.ok("run", "-q", "-f", path, **{**said, "WANTED": "2.0"}) == "tinypkg==2.0\n"
        assert environments(kfrun) == 2
        assert kfrun.ok("run", "-q", "-f", path, **{**said, "INDEX_PASSWORD": "another-one"}) == "tinypkg==1.0\n"
        assert environments(kfrun) == 2, "a new token is no other environment"
        assert any(is_known for _, is_known in served)
    texts += [
        kfrun.ok("env", "list", "-o", "json"),
        *map(Path.read_text, kfrun.home.glob("cache/environments/*/kfrun.json")),
    ]
    assert not [text for text in texts if "hunter2" in text]
    assert b"hunter2" not in kfrun.database.read_bytes()


def test_a_runtime_of_the_input_brings_a_file_and_the_job_replaces_packages_of_it(kfrun: Kfrun, folder: Path) -> None:
    runtime = """\
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: ours, annotations: {kfrun.dev/requirements: runtime.txt}}
spec:
  mlPolicy: {numNodes: 1}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec: {template: {spec: {containers: [{name: node, image: x}]}}}
"""
    path = write(folder, "packages: tinypkg==1.0", runtime_txt="tinypkg==2.0\nother\n")
    text = path.read_text().replace("{name: plain-python}", "{name: ours, kind: TrainingRuntime}")
    path.write_text(text + runtime)
    kfrun.ok("apply", "-q", "--wait", "-f", path)
    assert kfrun.ok("logs", "job") == "other==1.0 tinypkg==1.0\n"
    path.write_text(text)
    done = kfrun("run", "-q", "-f", path)
    assert done.returncode == 1
    assert "KF414" in done.stderr
    assert "its folder is not known" in done.stderr


def test_a_manifest_of_stdin_names_a_file_by_its_whole_path(kfrun: Kfrun, folder: Path) -> None:
    write(folder, "requirements: requirements.txt", requirements_txt="tinypkg==1.0\n")
    text = (folder / "job.yaml").read_text().replace("[python, train.py]", f'[python, "{folder}/train.py"]')
    done = kfrun("run", "-q", "-f", "-", stdin=text)
    assert done.returncode == 1
    assert "<stdin>:6:29: error KF414" in done.stderr
    done = kfrun("run", "-q", "-f", "-", stdin=text.replace("requirements.txt", f"{folder}/requirements.txt"))
    assert done.stdout == "tinypkg==1.0\n"


def test_an_environment_of_a_file_is_built_again_after_it_was_removed(kfrun: Kfrun, folder: Path) -> None:
    """The job's own files say what to install: what lies beside the manifest may have changed meanwhile."""
    path = write(
        folder, "requirements: r.txt", r_txt="tinypkg==1.0\n", train_py=_TRAIN + "import time; time.sleep(60)\n"
    )
    kfrun.ok("apply", "-q", "-f", path)
    eventually(lambda: kfrun("logs", "job").stdout == "tinypkg==1.0\n")
    kfrun.ok("suspend", "job")
    (folder / "r.txt").unlink()
    shutil.rmtree(kfrun.home / "cache" / "environments")
    kfrun.ok("resume", "job")
    eventually(lambda: kfrun("logs", "job").stdout == "tinypkg==1.0\n")
