"""What a job and its runtime ask for together, in annotations and in files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kfrun.load.content import Source
from kfrun.load.sources import parsed
from kfrun.model.values import replace
from kfrun.resolve import extensions

if TYPE_CHECKING:
    from kfrun.model.source import Document
    from kfrun.resolve.extensions import Extensions


@pytest.fixture
def read(tmp_path):
    """The annotations of a job, and of a runtime, with the files beside them."""

    def document(kind: str, annotations: dict[str, str]) -> Document:
        lines = "".join(f"    kfrun.dev/{name}: {json.dumps(value)}\n" for name, value in annotations.items())
        text = f"apiVersion: trainer.kubeflow.org/v1alpha1\nkind: {kind}\nmetadata:\n  name: x\n  annotations:\n{lines}"
        ((found,), _) = parsed(text, Source(f"{kind}.yaml", folder=str(tmp_path)), None)
        return found

    def run(
        job: dict[str, str], runtime: dict[str, str] | None = None, /, *, stored: bool = False, **files: str
    ) -> Extensions:
        for name, text in files.items():
            (tmp_path / f"{name}.txt").write_text(text)
        of = document("TrainingRuntime", runtime) if runtime is not None else None
        if of is not None and stored:
            of = replace(of, folder=None, requirements=None)
        return extensions.read(document("TrainJob", job), of)

    return run


def test_the_files_of_a_job_replace_what_its_runtime_names(read):
    found = read(
        {"requirements": "job.txt", "packages": "rich"},
        {"requirements": "rt.txt", "packages": "torch==1\nscipy"},
        job="Torch==2\nnumpy==2\n",
        rt="numpy==1\nsix\n",
    )
    assert not found.findings
    assert found.packages.requirements == ("six", "scipy", "Torch==2", "numpy==2", "rich")
    assert found.packages.sources == (("rt.txt", 2), ("job.txt", 2))


@pytest.mark.parametrize(
    ("annotation", "file", "index_urls", "options"),
    [
        ("", "-i https://f/s", ("https://f/s",), ()),
        ("https://a/s\nhttps://b/s", "", ("https://a/s", "https://b/s"), ()),
        ("https://a/s", "--extra-index-url https://f/s", ("https://a/s", "https://f/s"), ()),
        (
            "https://a/s\nhttps://b/s",
            "-i https://f/s\n--extra-index-url https://g/s",
            ("https://f/s", "https://g/s"),
            (),
        ),
        ("", "--extra-index-url https://f/s", (), ("--extra-index-url https://f/s",)),
        ("", "-i https://e/s\n-i https://f/s", ("https://f/s",), ()),
        ("https://a/s", "--no-index\n-i https://f/s\n--extra-index-url https://f/s", (), ("--no-index",)),
        ("", "--pre\n--only-binary :all:", (), ("--pre", "--only-binary :all:")),
    ],
)
def test_indexes_of_files_count_as_pip_would_have_them_beside_its_command_line(
    read, annotation, file, index_urls, options
):
    found = read({"requirements": "r.txt", "pip-index-urls": annotation}, r=f"{file}\nsix\n")
    assert not found.findings
    assert (found.packages.index_urls, found.packages.options) == (index_urls, options)


def test_a_line_that_is_no_requirement_is_found_in_its_file(read):
    (finding,) = read({"requirements": "r.txt"}, r="six\n  numpy = 2\n").findings
    assert (finding.code, str(finding.position), finding.excerpt) == ("KF415", "r.txt:2:3", "  numpy = 2")
    assert finding.hint == "did you mean numpy==2?"
    assert finding.object is not None
    assert finding.object.kind == "TrainJob"


def test_no_login_is_shown_of_a_line_that_is_wrong(read):
    (finding,) = read({"requirements": "r.txt"}, r="a @ https://me:hunter2@example.com/x ? y\n").findings
    assert finding.code == "KF415"
    assert "hunter2" not in repr(finding)


def test_a_file_that_is_not_there_is_found_at_its_line_of_the_annotation(read):
    (finding,) = read({"packages": "six", "requirements": "r.txt"}).findings
    assert (finding.code, str(finding.position)) == ("KF414", "TrainJob.yaml:7:30")


def test_of_what_is_no_requirements_file_ten_lines_are_found(read):
    found = read({"requirements": "r.txt"}, r="import this\n" * 500).findings
    assert len(found) == 10
    assert found[-1].hint == "490 more lines are none either: is it a requirements file?"


def test_all_have_a_hash_or_none(read):
    hashed = "six==1 --hash=sha256:aa\n"
    assert read({"requirements": "r.txt"}, r=hashed).packages.requirements == ("six==1 --hash=sha256:aa",)
    (finding,) = read({"requirements": "r.txt"}, r=f"{hashed}numpy==2\n").findings
    assert (finding.code, str(finding.position)) == ("KF416", "r.txt:2:1")
    (finding,) = read({"requirements": "r.txt", "packages": "rich"}, r=hashed).findings
    assert (finding.code, str(finding.position)) == ("KF416", "TrainJob.yaml:7:26")
    (finding,) = read({"requirements": "r.txt"}, {"packages": "torch"}, r=hashed).findings
    assert (finding.code, finding.object and finding.object.kind) == ("KF416", "TrainingRuntime")
    assert read({"requirements": "r.txt"}, r="--require-hashes\nsix==1\n").findings
    assert not read({"requirements": "r.txt"}, r="--require-hashes\nsix==1\n-c c.txt\n", c=hashed).findings


def test_a_file_of_a_stored_runtime_was_not_read(read):
    (finding,) = read({}, {"requirements": "r.txt"}, stored=True, r="six").findings
    assert finding.code == "KF414"
    assert "its folder is not known" in finding.message
    assert "-f" in (finding.hint or "")


@pytest.mark.parametrize(
    ("wanted", "python", "message"),
    [
        (">=3.9", "3.12", None),
        (">=3.12.4", "3.12", None),
        (">=3.9", None, None),
        (">=3.13", "3.12", "Python >=3.13 is asked for there, and 3.12 by kfrun.dev/python"),
        ("later", None, '"later" is no set of versions'),
    ],
)
def test_the_python_of_a_script_goes_with_that_of_the_annotation(read, tmp_path, wanted, python, message):
    (tmp_path / "t.py").write_text(f'# /// script\n# requires-python = "{wanted}"\n# ///\n')
    found = read({"requirements": "t.py", **({"python": python} if python else {})})
    if message is None:
        assert not found.findings
        assert found.packages.python == (python or wanted)
    else:
        (finding,) = found.findings
        assert message in finding.message


def test_what_lies_here_has_the_name_of_its_metadata_also_in_the_list_of_packages(read, tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/pyproject.toml").write_text('[project]\nname = "our-lib"\n')
    found = read({"packages": "-e ./ours"}, {"packages": "our_lib==1\nsix"})
    assert found.packages.requirements == ("six", f"-e file://{tmp_path}/ours")
    assert read({"packages": "./ours"}).packages.requirements == (f"our-lib @ file://{tmp_path}/ours",)
