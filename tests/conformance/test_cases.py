"""The cluster's answers to 107 cases, and kfrun's: ``pytest tests/conformance --cases DIR`` runs any folder of such.

A case that differs fails with one line for each difference; see `comparison`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import comparison

CASES = Path(__file__).parent / "cases"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.function is test_answers_as_the_cluster_does:
        folder = Path(metafunc.config.getoption("--cases") or CASES)
        cases = sorted(path for path in folder.iterdir() if (path / "input.yaml").exists())
        metafunc.parametrize("case", cases, ids=[path.name for path in cases])


def test_answers_as_the_cluster_does(case: Path) -> None:
    found = comparison.differences(case)
    if found:
        pytest.fail("\n".join([f"{case.name}: {line}" for line in found]), pytrace=False)


def test_every_case_is_there() -> None:
    assert len([path for path in CASES.iterdir() if (path / "expected.yaml").exists()]) == 134


def _changed(tmp_path: Path, case: str, old: str, new: str) -> Path:
    """A copy of a case in which the cluster would have answered otherwise."""
    for name in ("input.yaml", "expected.yaml"):
        text = (CASES / case / name).read_text(encoding="utf-8")
        if name == "expected.yaml":
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("case", "old", "new", "line"),
    [
        ("suspend-true", "suspend: true", "suspend: false", ".spec.suspend: True instead of False"),
        ("suspend-true", "kind: JobSet", "kind: Job", "jobset.x-k8s.io/v1alpha2 Job tj is missing"),
        ("flux-gpu", "--gpu=0-1", "--gpu=0-7", "--gpu=0-7"),
        ("flux-gpu", "curve.cert: Iy", "curve.cert: Iz", ".data.curve.cert"),
        ("mpi-numprocpernode", "ssh-publickey: <random>", "ssh-other: <random>", ".data.ssh-other: missing"),
        ("xgboost-gpu", "- name: DMLC_TRACKER_URI", "- name: DMLC_URI", "'DMLC_TRACKER_URI' instead of 'DMLC_URI'"),
        (
            "val-runtime-mlpolicy",
            "spec.mlPolicy: Inv",
            "spec.other: Inv",
            "crdErrors: spec.other is refused more often on a cluster",
        ),
        (
            "val-trainjob-unknown-fields",
            "- spec.labels",
            "- spec.x",
            "prunedUnknownFields: spec.x is refused more often on",
        ),
        ("mpi-empty-implementation", "buildError:", "appliedObjects: [] #", "kfrun does not build what a cluster does"),
        (
            "metadata-propagation",
            "publishNotReadyAddresses: true",
            "publishNotReadyAddresses: false",
            "jobSetSpecAfterAdmission: spec.network.publishNotReadyAddresses: True instead of False",
        ),
        ("plain-mlpolicy", "appliedObjects:", "buildError:", "kfrun builds what a cluster does not"),
    ],
)
def test_a_difference_is_one_line(tmp_path: Path, case: str, old: str, new: str, line: str) -> None:
    found = comparison.differences(_changed(tmp_path, case, old, new))
    assert any(line in shown for shown in found), found
    assert all("\n" not in shown for shown in found)


def test_any_folder_of_cases_can_be_given(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    folder = tmp_path / "cases" / "mine"
    folder.mkdir(parents=True)
    _changed(folder, "suspend-true", "suspend: true", "suspend: false")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__)), "--no-header"]
    done = subprocess.run(
        [*command, "-k", "as_the_cluster", "--cases", str(folder.parent), "--basetemp", str(tmp_path / "pytest")],
        cwd=pytestconfig.rootpath, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "mine: TrainJob/tj (create): appliedObjects: " in done.stdout
    assert "Traceback" not in done.stdout
