"""Paths in kfrun.dev/packages: they begin at the manifest's folder, or are refused with what to write instead."""

from __future__ import annotations

import time

import pytest

from kfrun.execute.environments import localpackages
from kfrun.load.lines import Line
from kfrun.resolve import extensions, packages
from kfrun.resolve.packages.places import Nowhere, local, placed
from tests.resolve.reading import documents


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ours @ ./ours", "ours @ file:///work/a%20b/ours"),
        ("ours@./ours", "ours@file:///work/a%20b/ours"),
        ("ours @ ours", "ours @ file:///work/a%20b/ours"),
        ("ours @ .", "ours @ file:///work/a%20b"),
        ("ours @ ..", "ours @ file:///work"),
        ("ours @ ../lib/ours", "ours @ file:///work/lib/ours"),
        ("ours[all] @ ./ours ; python_version > '3'", "ours[all] @ file:///work/a%20b/ours ; python_version > '3'"),
        ("ours @ dist/ours-1.0-py3-none-any.whl", "ours @ file:///work/a%20b/dist/ours-1.0-py3-none-any.whl"),
        ("ours @ ./mono#subdirectory=ours", "ours @ file:///work/a%20b/mono#subdirectory=ours"),
        ("ours @ file:ours", "ours @ file:///work/a%20b/ours"),
        ("ours @ file:./ours", "ours @ file:///work/a%20b/ours"),
        ("ours @ file:/abs/ours", "ours @ file:///abs/ours"),
        ("ours @ /abs/ours", "ours @ file:///abs/ours"),
        ("ours @ file:///abs/ours", "ours @ file:///abs/ours"),
        ("ours @ file://localhost/abs", "ours @ file://localhost/abs"),
        ("ours @ https://example.com/ours.whl", "ours @ https://example.com/ours.whl"),
        ("ours @ git+https://example.com/ours.git@v1", "ours @ git+https://example.com/ours.git@v1"),
        ("ours @ git+file:///abs/ours", "ours @ git+file:///abs/ours"),
        ("numpy>=2", "numpy>=2"),
    ],
)
def test_paths_begin_at_the_folder_of_the_manifest(written, meant):
    assert placed(written, "/work/a b") == meant


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("ours @ file://ours", "names a host", "ours @ ./ours"),
        ("ours @ file://./ours", "names a host", "ours @ ./ours"),
        ("ours @ ~/ours", "~ and $ stay as they are", "ours @ /path/to/it"),
        ("ours @ $HOME/ours", "~ and $ stay as they are", "ours @ /path/to/it"),
        ("ours @ git+file:./ours", "names no repository", "git+file:///path/to/it"),
        ("ours @ git@example.com:me/ours.git", "is no URL", "git+ssh://user@host/path"),
    ],
)
def test_what_names_no_place_is_refused(written, message, hint):
    found = placed(written, "/work")
    assert isinstance(found, Nowhere)
    assert message in found.message
    assert hint in found.hint


def test_a_manifest_without_a_folder_has_no_relative_paths():
    good, bad = packages.parse([Line(0, "ours @ ./ours"), Line(1, "theirs @ file:///abs")])
    assert [item.text for item in good] == ["theirs @ file:///abs"]
    assert [(item.code, item.message) for item in bad] == [
        ("KF413", '"./ours" leads nowhere: it begins at the manifest\'s folder, and this manifest has none')
    ]


@pytest.mark.parametrize(
    ("text", "told", "name"),
    [
        ("./ours", "ours @ file:///work/a%20b/ours", "ours"),
        ("./ours[all] ; python_version > '3'", "ours[all] @ file:///work/a%20b/ours ; python_version > '3'", "ours"),
        ("../libs/theirs/", "file:///work/libs/theirs", ""),
        ("libs/theirs[x]", "file:///work/a%20b/libs/theirs[x]", ""),
        ("./with blank", "file:///work/a%20b/with%20blank", ""),
        ("file:ours", "ours @ file:///work/a%20b/ours", "ours"),
        ("file:///abs/theirs", "file:///abs/theirs", ""),
        ("../ours-1.0-py3-none-any.whl", "ours @ file:///work/ours-1.0-py3-none-any.whl", "ours"),
        ("ours-1.0.tar.gz", "ours @ file:///work/a%20b/ours-1.0.tar.gz", "ours"),
        (".", "file:///work/a%20b", ""),
        ("-e .", "-e file:///work/a%20b", ""),
        ("-e ./ours[train]", "-e file:///work/a%20b/ours[train]", "ours"),
        ("--editable=./ours", "-e file:///work/a%20b/ours", "ours"),
        ("-e /abs/theirs", "-e file:///abs/theirs", ""),
    ],
)
def test_a_path_alone_is_a_package_with_the_name_that_it_says_itself(text, told, name):
    assert local(text, "/work/a b", {"/work/a b/ours": "ours"}) == (told, name)


@pytest.mark.parametrize("text", ["~/ours", "-e ~/ours", "$HOME/ours", "file://ours"])
def test_a_path_alone_that_names_no_place_is_refused(text):
    assert isinstance(local(text, "/work", {}), Nowhere)


@pytest.mark.parametrize(
    "text", ["numpy==2", "https://example.com/a.whl", "git+https://example.com/a", "-e numpy", "a @ ./b"]
)
def test_what_names_no_path_is_none(text):
    assert local(text, "/work", {}) is None


JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: tj
  annotations:
    kfrun.dev/packages: |
      six
      {line}
spec: {{runtimeRef: {{name: rt}}}}
"""


@pytest.mark.parametrize(
    ("line", "code"),
    [("-r base.txt", "KF411"), ("ours @ ~/ours", "KF413"), ("~/ours", "KF413"), ("-e ~/ours", "KF413")],
)
def test_the_line_of_the_package_is_named(line, code):
    (finding,) = extensions.read(documents(JOB.format(line=line))[0], None).findings
    assert (finding.code, str(finding.position)) == (code, "job.yaml:8:7")


@pytest.mark.parametrize(
    "text",
    ["a" + " " * 100_000 + "b", "a[" * 50_000, "a @ " + "./" * 50_000, "a." * 50_000 + "whl", "file:" + "/" * 100_000],
    ids=lambda text: text[:8],
)
def test_100_kb_of_the_worst_are_read_at_once(text):
    start = time.process_time()
    packages.parse([Line(0, text)], "/work")
    localpackages.among([text])
    assert time.process_time() - start < 1
