"""Checking many manifests: the same answers on any number of cores as one by one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from kfrun.errors import InvalidInput
from kfrun.flow.checker import pipeline, structure, workers
from kfrun.plan.support import BACKENDS
from tests.bench import corpus
from tests.flow.checker.ways import DOCUMENTS, many, one_by_one

if TYPE_CHECKING:
    from kfrun.settings import Settings

CASES = sorted((Path(__file__).parents[2] / "conformance" / "cases").glob("*/input.yaml"))


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes, however little there is to do."""
    monkeypatch.setattr(workers, "_cores", lambda: 3)
    monkeypatch.setattr(structure, "WORTH", 1)
    monkeypatch.setattr(pipeline, "_WORTH", 1)


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_the_answers_are_those_of_the_other_verbs(case: Path, settings: Settings) -> None:
    assert many([str(case)], settings) == one_by_one([str(case)], settings)


@pytest.mark.usefixtures("cores")
def test_all_cases_together(settings: Settings) -> None:
    names = [str(case) for case in CASES]
    expected = one_by_one(names, settings)
    assert expected[1]
    assert many(names, settings) == expected


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize("backend", BACKENDS)
def test_all_cases_together_for_a_backend(backend: str, settings: Settings) -> None:
    names = [str(case) for case in CASES]
    documents, findings = one_by_one(names, settings, backend=backend)
    assert len(findings) > len(one_by_one(names, settings)[1])
    assert many(names, settings, backend=backend) == (documents, findings)


BROKEN = {
    "unreadable": "a: b: c\n",
    "half": "kind: TrainJob\n---\n- 1\n---\na: [\n---\nkind: TrainJob\n",
    "nothing": "# nothing\n",
    "binary": "\0",
    "twice the key": "a: 1\na: 2\n",
    "no mapping": "---\n5\n---\nnull\n",
    "very many": "---\n5\n" * 150,
    "list": "kind: List\nitems:\n- {kind: TrainJob, apiVersion: trainer.kubeflow.org/v1alpha1}\n- 7\n",
    "trailing": "--- text\n",
}


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("beside", [False, True])
def test_what_cannot_be_read_is_told_as_by_the_other_verbs(
    name: str, beside: bool, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "b.yaml").write_text(BROKEN[name])
    names = [str(tmp_path / "b.yaml"), *([str(CASES[0]), str(CASES[1])] if beside else [])]
    documents, findings = many(names, settings)
    expected = one_by_one(names, settings)
    assert (documents, sorted(findings, key=repr)) == (expected[0], sorted(expected[1], key=repr))
    assert bool(documents) is (beside or name in ("half", "list"))


def test_one_text_that_cannot_be_read_does_not_hide_the_others(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BROKEN["unreadable"])
    (job, text), _ = corpus.documents(2)
    wrong = text.replace("numNodes:", "nodes:")
    (tmp_path / job).write_text(f"{wrong}---\n{text.replace('name: search', 'name: other')}")
    documents, findings = many([str(tmp_path)], settings)
    assert [key.name for key, _ in documents] == ["search-00000", "other-00000"]
    # A job is looked at to the end; its runtime may be in the text that cannot be read, and that is said.
    assert [one.code for one in findings] == ["KF201", "KF101", "KF401"]
    assert "a.yaml, which could not be read" in findings[2].hint


@pytest.mark.usefixtures("cores")
def test_one_stream_is_shared_among_processes(settings: Settings, tmp_path: Path) -> None:
    stream = corpus.write_stream(tmp_path / "stream.yaml", count=DOCUMENTS)
    text = stream.read_text().replace("image:", "picture:", 3)
    stream.write_text("\ufeff" + text)
    expected = one_by_one([str(stream)], settings)
    assert expected[1]
    assert many([str(stream)], settings) == expected


def test_templates_are_rendered(settings: Settings, tmp_path: Path) -> None:
    for name, text in corpus.documents(2):
        (tmp_path / f"{name}.j2").write_text(text + "{# #}\n")
    documents, findings = many([str(tmp_path)], settings, values={})
    assert (len(documents), findings) == (2, [])


# --- how far


def test_the_schema_alone_needs_no_runtime(settings: Settings, tmp_path: Path) -> None:
    (job, text), _ = corpus.documents(2)
    path = tmp_path / job
    path.write_text(text)
    assert many([str(path)], settings, until="rule")[1] == []
    assert [one.code for one in many([str(path)], settings)[1]] == ["KF401"]
    path.write_text(text.replace("numNodes:", "nodes:"))
    assert {one.code for one in many([str(path)], settings, until="schema")[1]} == {"KF201"}


def test_rules_come_after_the_schema(settings: Settings) -> None:
    case = next(case for case in CASES if any(one.stage == "rule" for one in one_by_one([str(case)], settings)[1]))
    stages = {until: {one.stage for one in many([str(case)], settings, until=until)[1]} for until in ("schema", "rule")}
    assert "rule" in stages["rule"]
    assert "rule" not in stages["schema"]


# --- workers


def test_results_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: 4)
    tasks = list(range(50))
    assert workers.every(lambda task: task * 2, tasks, [1] * 50, least=1) == [task * 2 for task in tasks]
    assert workers.every(lambda task: task, [], [], least=1) == []
    assert workers.every(lambda task: task, [7], [0], least=1) == [7]


def test_several_processes_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: 4)
    assert len(set(workers.every(lambda _: os.getpid(), range(40), [1] * 40, least=1))) == 4
    assert set(workers.every(lambda _: os.getpid(), range(40), [1] * 40, least=40)) == {os.getpid()}


def test_a_killed_worker_changes_nothing_but_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: 2)
    parent = os.getpid()

    def work(task: int) -> int:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return task

    assert workers.every(work, range(10), [1] * 10, least=1) == list(range(10))


def test_what_a_worker_raises_is_raised_here_and_no_process_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: 2)
    parent = os.getpid()
    children = host.children(parent)

    def work(task: int) -> int:
        if os.getpid() != parent:
            raise InvalidInput([])
        return task

    with pytest.raises(InvalidInput):
        workers.every(work, range(10), [1] * 10, least=1)
    assert host.children(os.getpid()) == children


# --- memory


MEASURED = """
import resource, sys
from kfrun.__main__ import main
assert main(["validate", "--no-cache", sys.argv[1]]) == 0
own = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(max(int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process its peak")
def test_memory_is_a_few_times_that_of_the_text(tmp_path: Path) -> None:
    megabytes = 6
    stream = corpus.write_stream(tmp_path / "stream.yaml", size=megabytes * 1_000_000)
    environ = {**os.environ, "KFRUN_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, stream], capture_output=True, text=True, timeout=120, env=environ, check=True
    )
    kilobytes = int(done.stdout.splitlines()[-1])
    # Unpacked, these documents take 120 MB.
    assert kilobytes < 1024 * (40 + 6 * megabytes)
