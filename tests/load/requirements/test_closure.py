"""Files that kfrun.dev/requirements names: what they say together, and what is told of those that say nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kfrun.load.content import Source
from kfrun.load.sources import parsed

if TYPE_CHECKING:
    from kfrun.model.requirements import Requirements

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: job
  annotations:
    kfrun.dev/requirements: |
      {}
spec: {{runtimeRef: {{name: plain-python}}}}
"""


@pytest.fixture
def read(tmp_path):
    """Write files, and read the requirements of a manifest beside them."""

    def run(named: str = "requirements.txt", **files: str | bytes) -> Requirements:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        text = JOB.format(named.replace("\n", "\n      "))
        ((document,), wrong) = parsed(text, Source("job.yaml", folder=str(tmp_path)), None)
        assert not wrong
        assert document.requirements is not None
        return document.requirements

    return run


def lines(found: Requirements) -> list[str]:
    assert not found.faults
    return [item.line for item in found.listed if not item.is_constraint]


def test_nested_files_are_seen_from_the_file_that_names_them(read, tmp_path):
    found = read(
        requirements_txt="-r reqs/base.txt\nscipy\n-c reqs/limits.txt\n",
        reqs__base_txt="-r more.txt\nnumpy\n",
        reqs__more_txt="six\n",
        reqs__limits_txt="numpy<2\n",
    )
    assert lines(found) == ["six", "numpy", "scipy"]
    assert [item.text for item in found.listed if item.is_constraint] == ["numpy<2"]
    assert [os.path.relpath(path, tmp_path) for path, _ in found.files] == [
        "requirements.txt", "reqs/base.txt", "reqs/more.txt", "reqs/limits.txt",
    ]  # fmt: skip
    assert found.counts == (("requirements.txt", 3),)


def test_variables_stay_as_they_are_until_the_installer_runs(read, monkeypatch):
    monkeypatch.setenv("TOKEN", "hunter2")
    found = read(requirements_txt="--index-url https://me:${TOKEN}@example.com/simple\ntorch==${VERSION}\n")
    assert found.options == (("--index-url", "https://me:${TOKEN}@example.com/simple"),)
    assert lines(found) == ["torch==${VERSION}"]
    assert "hunter2" not in repr(found)


def test_options_keep_their_order_and_links_become_urls(read, tmp_path):
    (tmp_path / "my wheels").mkdir()
    found = read(requirements_txt="--pre\n-f 'my wheels'\n--no-binary :all:\n")
    assert found.options == (
        ("--pre", ""), ("--find-links", f"file://{tmp_path}/my%20wheels"), ("--no-binary", ":all:"),
    )  # fmt: skip


OURS = '[project]\nname = "ours"\nversion = "1"\n'


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("-e ./ours", "-e file://{}/ours"),
        ("-e ./ours[train]", "-e file://{}/ours[train]"),
        ("./ours ; python_version > '3'", "ours @ file://{}/ours ; python_version > '3'"),
        ("--editable=ours/", "-e file://{}/ours"),
        ("./ours[x]", "ours[x] @ file://{}/ours"),
        ("ours @ ./ours", "ours @ file://{}/ours"),
        ("file:./ours", "ours @ file://{}/ours"),
        ("./old", "file://{}/old"),
        ("./dist/thing-1-py3-none-any.whl", "thing @ file://{}/dist/thing-1-py3-none-any.whl"),
        ("-e .", "-e file://{}"),
    ],
)
def test_what_lies_here_is_named_by_its_whole_path(read, tmp_path, line, meant):
    found = read(
        requirements_txt=line,
        ours__pyproject_toml=OURS,
        old__setup_py="",
        pyproject_toml=OURS,
        **{"dist__thing-1-py3-none-any_whl": ""},
    )
    assert lines(found) == [meant.format(tmp_path)]


def test_a_path_that_is_not_beside_its_file_begins_at_the_manifest(read, tmp_path):
    """pip takes it from where it stands, which is there nearly always."""
    found = read("reqs/base.txt", reqs__base_txt="-e .\n", pyproject_toml=OURS)
    assert lines(found) == [f"-e file://{tmp_path}"]


def test_metadata_of_what_lies_here_are_among_the_files(read, tmp_path):
    before = read(requirements_txt="-e ./ours", ours__pyproject_toml=OURS)
    after = read(ours__pyproject_toml=OURS + "# changed")
    path = str(tmp_path / "ours/pyproject.toml")
    assert dict(before.files)[path] != dict(after.files)[path]


PROJECT = """\
[project]
name = "our-lib"
requires-python = ">=3.9"
dependencies = ["numpy>=2"]
[project.optional-dependencies]
train = ["torch"]
all = ["our_lib[train]", "rich"]
[dependency-groups]
dev = ["pytest", {include-group = "Lint_All"}]
lint-all = ["ruff"]
loop = [{include-group = "loop"}]
[tool.uv.sources]
torch = {url = "https://example.com/torch.whl"}
[[tool.uv.index]]
url = "https://example.com/simple"
"""


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("pyproject.toml", ["numpy>=2"]),
        ("pyproject.toml[train]", ["numpy>=2", "torch @ https://example.com/torch.whl"]),
        ("pyproject.toml[all]", ["numpy>=2", "torch @ https://example.com/torch.whl", "rich"]),
        ("pyproject.toml:dev", ["pytest", "ruff"]),
        ("pyproject.toml\npyproject.toml:lint_all", ["numpy>=2", "ruff"]),
    ],
)
def test_a_project_says_what_it_needs(read, named, meant):
    assert lines(read(named, pyproject_toml=PROJECT)) == meant


def test_a_project_says_which_python_and_which_index(read):
    found = read("pyproject.toml", pyproject_toml=PROJECT)
    assert (found.python, found.options) == (">=3.9", (("--extra-index-url", "https://example.com/simple"),))


def test_a_project_that_is_a_package_is_installed_and_the_src_of_another_is_on_the_path(read, tmp_path):
    found = read("pyproject.toml[train]", pyproject_toml=PROJECT, src__lib_py="")
    assert found.folders == (f"{tmp_path}/src",)
    found = read("pyproject.toml[train]", pyproject_toml=f"{PROJECT}[build-system]\nrequires = []\n")
    assert found.folders == ()
    assert lines(found)[-1] == f"-e file://{tmp_path}[train]"


SCRIPT = """\
#!/usr/bin/env python
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "numpy==2.0",
# ]
# ///
print(1)
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_script_says_what_it_needs(read, end):
    found = read("train.py", train_py=SCRIPT.replace("\n", end))
    assert (lines(found), found.python, found.counts) == (["numpy==2.0"], ">=3.11", (("train.py", 1),))
    assert str(found.listed[0].place) == "train.py:5:6"


LOCK = """\
version = 1
requires-python = ">=3.9"
[[package]]
name = "our-lib"
source = {virtual = "."}
[package.metadata]
requires-dist = [{name = "numpy"}]
[[package]]
name = "numpy"
version = "2.0"
source = {registry = "https://example.com/simple"}
"""


def test_a_lock_is_left_to_uv(read, tmp_path):
    found = read("uv.lock[train]", uv_lock=LOCK, pyproject_toml=PROJECT)
    assert not found.faults
    assert [(lock.folder, lock.extras, lock.group) for lock in found.locks] == [(str(tmp_path), ("train",), "")]
    assert (found.counts, found.python) == ((("uv.lock[train]", 1),), ">=3.9")
    changed = read("uv.lock[train]", uv_lock=LOCK + "# x")
    assert changed.locks[0].digest != found.locks[0].digest


@pytest.mark.parametrize(
    ("files", "place", "message", "hint"),
    [
        ({"requirements_txt": "-r requirements.txt\n"}, 1, "the file includes itself", "remove"),
        ({"requirements_txt": "a\n\n  -r a.txt\n", "a_txt": "-r b.txt", "b_txt": "-r a.txt"}, 1, "a.txt -> b.txt", ""),
        ({"requirements_txt": "a\n\n  -r nope.txt\n"}, 3, '"nope.txt" is not there', "the file that names it"),
        ({"requirements_txt": "-e ./nope"}, 1, "nope does not exist", "mend the path"),
        ({"requirements_txt": "-e ./reqs", "reqs__a_txt": ""}, 1, "has neither pyproject.toml nor setup.py", "name"),
        ({"requirements_txt": "-e git+https://example.com/x"}, 1, "only a folder", "name @ git+https://example.com/x"),
        ({"requirements_txt": "-r https://me:pw@example.com/x"}, 1, '"example.com/x" is a URL', "save it"),
        ({"requirements_txt": "a\n-c c.txt", "c_txt": "-e ."}, 1, "a constraint cannot be editable", "name==version"),
        ({"requirements_txt": "-i example.com/simple"}, 1, '"example.com/simple" is no URL', "https://"),
        ({"requirements_txt": "-f ./nowhere"}, 1, "there is no folder", "mend the path"),
        (
            {"requirements_txt": "-e git+https://me:pw@example.com/x"},
            1,
            "only a folder",
            "git+https://***@example.com/x",
        ),
        ({"requirements_txt": "-i https://me:pw@example.com/s https://me:pw@b"}, 1, "behind an option", "quotes"),
        (
            {"requirements_txt": "-r reqs/a.txt", "reqs__a_txt": "-r ../pyproject.toml"},
            1,
            "is no requirements file",
            "kfrun.dev/requirements: pyproject.toml",
        ),
        ({"requirements_txt": "~/x"}, 1, "~ stays as it is", "${HOME}"),
        ({"requirements_txt": b"caf\xe9"}, 1, "the byte 0xe9 is not UTF-8", "coding: latin-1"),
        ({"requirements_txt": b"a\n\0\xff"}, 2, "this is a binary file", "UTF-8"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_at_its_line(read, files, place, message, hint):
    (fault,) = read(**files).faults
    assert (fault.code, fault.place.line) == ("KF415", place)
    assert message in fault.message
    assert hint in fault.hint
    assert "pw" not in f"{fault.message}{fault.hint}{fault.excerpt}"


@pytest.mark.parametrize(
    ("named", "message", "hint"),
    [
        ("requirements.tx", "is not there", "did you mean requirements.txt?"),
        ("numpy==2", "is not there", "kfrun.dev/packages: numpy==2"),
        ("reqs", "is a folder", "name a file in it"),
        ("link.txt", "is a link to nothing", ""),
        ("big.txt", "has 5.0 MiB; no more than 4 MiB are read", "data"),
        ("poetry.lock", "no file that requirements are read from", "poetry export"),
        ("Pipfile", "no file that requirements are read from", "pipenv requirements"),
        ("environment.yml", "no file that requirements are read from", "pip list"),
        ("setup.py", "no file that requirements are read from", "-e ."),
        ("https://example.com/r.txt", "is a URL", "save the file"),
        ("-r requirements.txt", "names no file", "write the path alone: requirements.txt"),
        ("~/requirements.txt", "stay as they are", "whole path"),
        ("plain.py", "there is no # /// script block", "PEP 723"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_where_it_is_named(read, tmp_path, named, message, hint):
    (tmp_path / "link.txt").symlink_to("nowhere")
    (tmp_path / "big.txt").write_bytes(b"#" * 5 * 2**20)
    (fault,) = read(named, requirements_txt="", reqs__a_txt="", plain_py="print(1)\n").faults
    assert (fault.code, fault.place, fault.entry) == ("KF414", None, named)
    assert message in fault.message
    assert hint in fault.hint


@pytest.mark.parametrize(
    ("named", "files", "message", "hint"),
    [
        ("pyproject.toml[nope]", {"pyproject_toml": PROJECT}, 'has no extra "nope"', "allowed: train, all"),
        (
            "pyproject.toml:nope",
            {"pyproject_toml": PROJECT},
            'has no dependency group "nope"',
            "allowed: dev, lint-all",
        ),
        ("pyproject.toml:loop", {"pyproject_toml": PROJECT}, "loop -> loop", "remove"),
        ("pyproject.toml", {"pyproject_toml": "[tool.poetry]\n"}, "Poetry's own tables", "poetry export"),
        ("pyproject.toml", {"pyproject_toml": "a = "}, "this is no TOML", "mend"),
        ("pyproject.toml", {"pyproject_toml": "[project]\ndependencies = 3\n"}, "no list of texts", "name==version"),
        ("train.py", {"train_py": SCRIPT + SCRIPT}, "several # /// script blocks", "PEP 723"),
        ("train.py", {"train_py": SCRIPT.replace('"numpy==2.0",', '"numpy')}, "this is no TOML", "mend"),
        ("uv.lock", {"uv_lock": LOCK}, '"pyproject.toml" is not there', "the file that names it"),
        ("uv.lock", {"uv_lock": "version = 9", "pyproject_toml": PROJECT}, "version 9, not 1", "uv lock"),
        ("uv.lock", {"uv_lock": "\x01", "pyproject_toml": PROJECT}, "this is no TOML", "mend"),
        ("uv.lock[no]", {"uv_lock": LOCK, "pyproject_toml": PROJECT}, 'has no extra "no"', "allowed: train, all"),
        (
            "uv.lock",
            {"uv_lock": LOCK, "pyproject_toml": PROJECT.replace("our-lib", "another")},
            'the lock of "our-lib", and pyproject.toml beside it is of "another"',
            "uv lock",
        ),
        (
            "uv.lock",
            {"uv_lock": LOCK, "pyproject_toml": PROJECT.replace('["numpy>=2"]', '["numpy>=2", "six"]')},
            "six was added to pyproject.toml after the lock was made",
            "run uv lock",
        ),
    ],
)
def test_what_is_wrong_with_a_project_or_a_lock_is_told(read, named, files, message, hint):
    (fault,) = read(named, **files).faults
    assert fault.code == "KF415"
    assert message in fault.message
    assert hint in fault.hint


def test_of_what_is_no_requirements_file_ten_lines_are_told(read):
    found = read(requirements_txt="--nonsense\n" * 10_000)
    assert len(found.faults) == 10
    assert "is it a requirements file?" in found.faults[-1].hint


def test_a_manifest_without_a_folder_names_whole_paths_alone(tmp_path):
    (tmp_path / "requirements.txt").write_text("six\n")
    ((document,), _) = parsed(JOB.format("requirements.txt"), Source("<stdin>"), None)
    assert "this manifest has none" in document.requirements.faults[0].message
    ((document,), _) = parsed(JOB.format(tmp_path / "requirements.txt"), Source("<stdin>"), None)
    assert lines(document.requirements) == ["six"]


def test_plain_packages_read_no_file():
    ((document,), _) = parsed(JOB.format("").replace("requirements: |", "packages: numpy"), Source("<stdin>"), None)
    assert document.requirements is None
