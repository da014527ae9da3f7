"""The wheel and the source archive hold what they must, and an installed wheel runs jobs without the checkout."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import uv

from kfrun.version import __version__

ROOT = Path(__file__).parents[1]
PACKAGE = "kfrun/"
DATA = PACKAGE + "_data/"
RELEASES = ("v2.0", "v2.1", "v2.2", "v2.3")
EXAMPLES = ("deepspeed", "failing", "jax", "mpi", "quickstart", "torch-ddp", "torch-elastic", "xgboost")
FRAMEWORKS = ("deepspeed", "flux", "jax", "mlx", "mpi", "torch", "xgboost")
RUNTIMES = {
    *("plain-python", *(f"{name}-distributed" for name in FRAMEWORKS)),
    *(f"torchtune-{model}" for model in ("llama3.2-1b", "llama3.2-3b", "qwen2.5-1.5b")),
}
SHIPPED = {
    *(f"runtimes/{name}.yaml" for name in RUNTIMES),
    *(f"examples/{name}/{file}" for name in EXAMPLES for file in ("README.md", "job.yaml", "train.py")),
    *(f"examples/multi-step/{file}" for file in ("README.md", "job.yaml", "step.py")),
    *(
        f"schemas/{version}/{name}"
        for version in RELEASES
        for name in ("SOURCE", "clustertrainingruntime.json", "trainingruntime.json", "trainjob.json")
    ),
}
REQUIRED = {"click", "cryptography", "jinja2", "jsonschema", "jsonschema-rs", "packaging", "pyyaml", "uv", "wcwidth"}
JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: hello}
spec:
  runtimeRef: {name: plain-python}
  trainer: {command: [python, -c, 'print("hello from", __import__("sys").prefix)']}
"""


def build(source: Path, target: str, out: Path) -> Path:
    """Build a distribution as pip would, with the hatchling of this environment."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (found,) = out.iterdir()
    return found


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """The folder of the source archive."""
    archive = build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as file:
        # early 3.11 has no filters, 3.14 has this one by default
        file.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder / f"kfrun-{__version__}"


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A function that runs the kfrun of a fresh environment, far from the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("KFRUN_", "PYTHON", "VIRTUAL"))
    }
    environ["KFRUN_HOME"] = str(folder / "home")
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
        ["pip", "install", "--quiet", "--python", str(folder / "venv"), str(wheel)],
    ):
        done = subprocess.run([uv.find_uv_bin(), *command], capture_output=True, text=True, timeout=240, env=environ)
        assert done.returncode == 0, done.stderr
    work = folder / "work"
    work.mkdir()
    (work / "job.yaml").write_text(JOB)

    def kfrun(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [folder / "venv" / "bin" / "kfrun", *arguments]
        return subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=60, env=environ)

    yield kfrun
    kfrun("delete", "--all", "--now")


def test_the_wheel_holds_the_package_and_what_it_reads(wheel):
    found = names(wheel)
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "kfrun").rglob("*.py")}
    info = f"kfrun-{__version__}.dist-info/"
    assert {name for name in found if name.startswith(DATA)} == {DATA + name for name in SHIPPED}
    assert {name for name in found if name.startswith(PACKAGE) and not name.startswith(DATA)} == {
        *modules,
        "kfrun/py.typed",
    }
    assert info + "licenses/LICENSE" in found
    assert {name for name in found if not name.startswith((PACKAGE, info))} == set()


def test_every_shipped_file_of_the_checkout_is_in_the_wheel():
    folders = ("runtimes", *(f"schemas/{version}" for version in RELEASES))
    found = {f"{folder}/{path.name}" for folder in folders for path in (ROOT / folder).iterdir()}
    written = {".gitignore", "expected.yaml", "output", "data", "__pycache__"}
    paths = (path for folder in (ROOT / "examples").iterdir() if folder.is_dir() for path in folder.iterdir())
    found |= {path.relative_to(ROOT).as_posix() for path in paths if path.name not in written}
    assert found == SHIPPED


def test_an_installation_without_a_clone_has_something_to_run(installed):
    assert installed("init", "--example").stdout.split("\n")[0].split()[0] == "deepspeed"
    done = installed("init", "--example", "failing", "an example")
    assert done.returncode == 0, done.stderr
    assert "next: kfrun run -f 'an example/job.yaml'" in done.stderr
    assert installed("run", "-q", "-f", "an example/job.yaml").returncode == 3


def test_the_metadata_says_what_is_needed(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"kfrun-{__version__}.dist-info/METADATA"))
        scripts = archive.read(f"kfrun-{__version__}.dist-info/entry_points.txt").decode()
    assert (metadata["Name"], metadata["Version"]) == ("kfrun", __version__)
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    hard = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert {line.split(">")[0].split(";")[0].strip() for line in hard} == REQUIRED
    assert set(metadata.get_all("Provides-Extra")) == {"docker", "kubernetes", "test"}
    assert "kfrun = kfrun.__main__:main" in scripts
    assert metadata.get_payload().startswith("# kfrun")


def test_the_source_archive_makes_the_same_wheel(wheel, unpacked, tmp_path):
    assert names(build(unpacked, "wheel", tmp_path)) == names(wheel)


def test_the_source_archive_holds_what_developers_need(unpacked):
    for name in (
        "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/architecture.md", "schemas/generate.py",
        "examples/quickstart/train.py", "tests/test_packaging.py", "tests/load/data/yaml-as-kubectl.jsonl",
    ):  # fmt: skip
        assert (unpacked / name).is_file(), name


def test_an_installed_wheel_knows_its_version_and_runtimes(installed):
    assert installed("version").stdout == f"kfrun {__version__}\n"
    listed = installed("runtimes", "list", "-o", "name")
    assert listed.returncode == 0, listed.stderr
    assert {line.rpartition("/")[2] for line in listed.stdout.splitlines()} == RUNTIMES


def test_an_installed_wheel_validates_and_runs_a_job(installed):
    assert installed("validate", "-f", "job.yaml").returncode == 0
    done = installed("run", "-f", "job.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("hello from ")
    assert "hello: Complete after" in done.stderr
