"""The container image: built by both of Docker's builders from the Dockerfile, and run by a real engine as users would.

The base is Debian with its Python instead of ``python:3.x-slim``, so that no registry is needed; packages come from
PyPI. ``KFRUN_TEST_BASE_IMAGE`` builds on another one.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun.version import __version__
from tests import docblocks
from tests.cli.manifests import SOUND as GOOD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engines.docker import Engine

# The first run installs Docker and makes the base image.
pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[1]
WRONG = GOOD.replace("trainer:\n", "trainr:\n")
TEMPLATE = GOOD.replace("name: mnist", "name: {{ name }}")
SOURCES = {"LICENSE", "README.md", "pyproject.toml", "examples", "kfrun", "runtimes", "schemas"}
SANDBOX = ("--read-only", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges")
"""The least that a container can be given."""

SETTINGS = ("PIP_INDEX_URL", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
LABELS = ("SOURCE=https://example.com/kfrun", "REVISION=1f2e3d4")
LARGEST = 70 * 10**6
"""What kfrun may add to its base: twice what jsonschema-rs and cryptography need."""

UNCOMPILED = """
import importlib.util, pathlib, sys
for path in pathlib.Path("/opt/kfrun").rglob("*.py"):
    cached = pathlib.Path(importlib.util.cache_from_source(path))
    state = path.stat()
    wanted = (int(state.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little") + state.st_size.to_bytes(4, "little")
    head = cached.read_bytes()[:16] if cached.exists() else b""
    if head != importlib.util.MAGIC_NUMBER + bytes(4) + wanted:
        print(path)
"""


def page_commands() -> list[str]:
    """The lines of the page on CI that use docker."""
    blocks = docblocks.blocks(ROOT / "docs" / "ci.md")
    return [line for block in blocks for line in block.text.splitlines() if line.startswith("docker ")]


BUILD, *RUNS = page_commands()


@dataclass(frozen=True)
class Image:
    """The image in its engine, and a folder of manifests that its containers see, read-only."""

    engine: Engine
    name: str
    base: str
    folder: Path

    def run(self, *command: str, options: tuple[str, ...] = (), **kwargs) -> subprocess.CompletedProcess[str]:
        """Run a container in the sandbox to its end."""
        mount = f"--volume={self.folder}:/work:ro"
        return self.engine.ask("run", "--rm", *SANDBOX, mount, *options, self.name, *command, **kwargs)

    def program(self, program: str, *args: str) -> str:
        """What another program than kfrun prints in the image; it must succeed."""
        done = self.run(*args, options=(f"--entrypoint={program}",))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inspect(self, name: str = "") -> dict:
        return json.loads(self.engine.docker("image", "inspect", name or self.name))[0]

    def shell(self, line: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command line of the documentation with this engine and the name of this image."""
        line = re.sub(r"(?<= )kfrun(?= )", self.name, line)
        client = Path(self.engine.client).parent
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=240,
            env={"PATH": f"{client}:{os.environ['PATH']}", "DOCKER_HOST": self.engine.address, **environ},
        )


@contextmanager
def building(engine: Engine, base: str, source: Path, folder: Path, kit: str) -> Iterator[Image]:
    """The image as the page builds it, on our base: ``kit`` is 1 for BuildKit and 0 for the builder before it."""
    folder.chmod(0o755)
    built = Image(engine, f"kfrun-test:{os.getpid()}-{kit}", base, folder)
    given = [f"BASE={base}", *LABELS, *(name for name in SETTINGS if name in os.environ)]
    line = BUILD.replace("docker build", f"docker build --build-arg {' --build-arg '.join(given)}", 1)
    assert line.endswith(" kfrun .")
    kept = {name: os.environ[name] for name in (*SETTINGS, "HOME") if name in os.environ}
    done = built.shell(f"cd '{source}' && {line}", DOCKER_BUILDKIT=kit, **kept)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    try:
        yield built
    finally:
        engine.docker("rmi", "--force", built.name)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """What the image is built from, the same for both builders while somebody edits the checkout."""
    folder = tmp_path_factory.mktemp("source")
    for name in (*SOURCES, "Dockerfile", ".dockerignore"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def image(docker_engine, base_image, source, tmp_path_factory):
    with building(docker_engine, base_image, source, tmp_path_factory.mktemp("image"), "1") as built:
        yield built


def contents(image: Image) -> list[str]:
    """Every file that is Python's, kfrun's or a program's: rights, owner, size."""
    return sorted(image.program("find", "/opt", "/usr", "-type", "f", "-printf", "%m %u %s %p\n").splitlines())


@pytest.fixture
def manifests(image):
    """Puts files into the folder that containers see; gone afterwards."""

    def write(**texts: str) -> None:
        for name, text in texts.items():
            path = image.folder / name.replace("_", ".")
            path.write_text(text)
            path.chmod(0o644)

    yield write
    for path in image.folder.iterdir():
        path.unlink()


def test_a_good_manifest_passes(image, manifests):
    manifests(job_yaml=GOOD)
    done = image.run("validate", "-f", "job.yaml")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout == "job.yaml: trainjob.trainer.kubeflow.org/mnist is valid\n"


def test_a_wrong_manifest_is_refused_at_its_position(image, manifests):
    manifests(job_yaml=GOOD, wrong_yaml=WRONG)
    done = image.run("validate", "-R", "-f", ".")
    assert (done.returncode, done.stderr) == (1, "")
    assert 'wrong.yaml:8:3: error KF201: unknown field "trainr"' in done.stdout


@pytest.mark.parametrize("verb", [("lint",), ("render",), ("validate", "-o", "sarif"), ("validate", "-o", "junit")])
def test_other_checks_run_as_well(image, manifests, verb):
    manifests(job_yaml=GOOD)
    done = image.run(*verb, "-f", "job.yaml")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_templates_are_rendered(image, manifests):
    manifests(job_yaml_j2=TEMPLATE)
    done = image.run("validate", "-f", "job.yaml.j2", "--set", "name=mnist")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_manifests_come_from_standard_input(image):
    done = image.run("validate", "-f", "-", options=("--interactive",), stdin=WRONG.encode())
    assert (done.returncode, done.stderr) == (1, "")
    assert ":8:3: error KF201" in done.stdout


def test_it_tells_its_version(image):
    assert image.run("--version").stdout == f"kfrun {__version__}\n"


def test_without_a_command_it_tells_what_it_can(image):
    done = image.run()
    assert done.returncode == 0
    assert "validate " in done.stdout


def test_it_runs_as_a_user_without_rights(image):
    assert image.inspect()["Config"]["User"] == "10001:10001"
    assert image.program("id", "-u") == "10001\n"
    assert image.program("id", "-g") == "10001\n"
    assert image.program("find", "/opt/kfrun", "-writable", "-not", "-type", "l") == ""


@pytest.mark.parametrize(
    "options",
    [("--user=12345",), ("--user=12345:0", "--env=HOME=/nonexistent"), ("--user=0:0",)],
    ids=["unknown", "homeless", "root"],
)
def test_it_runs_as_any_user(image, manifests, options):
    manifests(job_yaml=GOOD, wrong_yaml=WRONG)
    assert image.run("validate", "-f", "job.yaml", options=options).returncode == 0
    done = image.run("validate", "-f", "wrong.yaml", options=options)
    assert (done.returncode, done.stderr) == (1, "")


def test_code_in_the_checked_folder_is_not_run(image, manifests):
    code = "raise SystemExit('taken over')\n"
    manifests(job_yaml=GOOD, yaml_py=code, kfrun_py=code, sitecustomize_py=code, json_py=code)
    done = image.run("validate", "-f", "job.yaml")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_cannot_be_read_is_named(image, manifests):
    manifests(secret_yaml=GOOD)
    (image.folder / "secret.yaml").chmod(0o600)
    done = image.run("validate", "-f", "secret.yaml", options=("--user=12345",))
    assert done.returncode == 3
    assert "secret.yaml cannot be read: permission denied" in done.stderr


# What it holds


def test_nothing_is_compiled_when_it_runs(image, manifests):
    manifests(job_yaml=GOOD)
    done = image.run("-v", "-m", "kfrun", "validate", "-f", "job.yaml", options=("--entrypoint=python3",))
    assert done.returncode == 0, done.stdout
    loaded = re.findall(r"^# code object from '?(.*?)'?$", done.stderr, re.MULTILINE)
    assert sum("/site-packages/kfrun/" in path for path in loaded) > 20
    assert [path for path in loaded if not path.endswith(".pyc")] == []


def test_the_older_builder_makes_the_same_image(image, source, tmp_path):
    with building(image.engine, image.base, source, tmp_path, "0") as older:
        assert contents(older) == contents(image)
        assert older.program("python3", "-c", UNCOMPILED) == ""
        ours, theirs = (item.inspect()["Config"] for item in (image, older))
        for name in ("User", "Entrypoint", "Cmd", "Env", "WorkingDir", "Labels"):
            assert theirs[name] == ours[name]


def test_everything_installed_is_compiled(image):
    assert image.program("python3", "-c", UNCOMPILED) == ""


def test_what_built_it_is_not_in_it(image):
    installed = image.program("sh", "-c", "ls /opt/kfrun/lib/python3*/site-packages /opt/kfrun/bin").split()
    assert [name for name in installed if re.match(r"(pip|uv|setuptools|wheel|hatchling)\b", name)] == []
    assert {"kfrun", "yaml", "jsonschema_rs"} <= set(installed)
    # the folders of root, too, are looked into by root
    find = (
        "/root",
        "/tmp",
        "/var/tmp",
        "/work",
        "-mindepth",
        "1",
        "-not",
        "-name",
        ".bashrc",
        "-not",
        "-name",
        ".profile",
    )
    done = image.run(*find, options=("--entrypoint=find", "--user=0"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "src" not in image.program("ls", "/").split()


def test_it_adds_little_to_its_base(image):
    added = image.inspect()["Size"] - image.inspect(image.base)["Size"]
    print(f"\n{added / 10**6:.1f} MB more than the base")
    assert added < LARGEST


def test_its_labels_say_what_it_is(image):
    prefix = "org.opencontainers.image."
    labels = {
        key.removeprefix(prefix): value
        for key, value in image.inspect()["Config"]["Labels"].items()
        if key.startswith(prefix)
    }
    assert labels["title"] == "kfrun"
    assert labels["version"] == __version__
    assert f'license = "{labels["licenses"]}"' in (ROOT / "pyproject.toml").read_text()
    assert {f"SOURCE={labels['source']}", f"REVISION={labels['revision']}"} == set(LABELS)


def test_the_build_sees_only_what_it_needs(docker_engine, tmp_path):
    everything = tmp_path / "Dockerfile"
    everything.write_text("FROM scratch\nCOPY . /\n")
    name = docker_engine.docker("build", "--quiet", "--file", everything, ROOT, DOCKER_BUILDKIT="0").strip()
    packed = tmp_path / "image.tar"
    try:
        docker_engine.docker("save", "--output", packed, name)
    finally:
        docker_engine.docker("rmi", "--force", name)
    names = []
    with tarfile.open(packed) as saved:
        for item in saved:
            if item.name.endswith("layer.tar"):
                with tarfile.open(fileobj=io.BytesIO(saved.extractfile(item).read())) as layer:
                    names += layer.getnames()
    assert {name.split("/")[0] for name in names} == SOURCES
    assert [name for name in names if "__pycache__" in name or "/." in name] == []


@pytest.mark.parametrize("line", RUNS)
def test_the_documented_commands_check_a_folder(image, manifests, line):
    manifests(job_yaml=GOOD)
    done = image.shell(line)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    manifests(wrong_yaml=WRONG)
    done = image.shell(line)
    assert (done.returncode, done.stderr) == (1, "")
    assert "wrong.yaml:8:3: error KF201" in done.stdout
