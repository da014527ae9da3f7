"""Checking many manifests: the same answers on any number of cores, with and without memory of earlier checks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kfrun import host
from kfrun import settings as settings_module
from kfrun.errors import InvalidInput
from kfrun.flow import desired
from kfrun.flow import documents as reading
from kfrun.flow.checker import pipeline, remembered, structure, workers
from kfrun.flow.checker.remembered import Verdicts
from kfrun.flow.checker.structure import Asked
from kfrun.load import sources
from kfrun.model.state import Observed
from kfrun.model.wishes import Wishes
from tests.bench import corpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.settings import Settings

CASES = sorted((Path(__file__).parents[2] / "conformance" / "cases").glob("*/input.yaml"))
DOCUMENTS = 24


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.load({}, {"KFRUN_HOME": str(tmp_path / "home")}, tmp_path)


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes, however little there is to do."""
    monkeypatch.setattr(workers, "_cores", lambda: 3)
    monkeypatch.setattr(structure, "WORTH", 1)
    monkeypatch.setattr("kfrun.flow.checker.admission._WORTH", 1)


def shown(documents: Sequence[Any], findings: Sequence[Any]) -> tuple[list[tuple[Any, str]], list[Any]]:
    return [(item.key, item.source) for item in documents], list(findings)


def one_by_one(names: Sequence[str], settings: Settings) -> tuple[list[tuple[Any, str]], list[Any]]:
    """What the other verbs find."""
    try:
        documents = reading.read(Wishes(tuple(names), recursive=True), settings)
    except InvalidInput as refusal:
        return [], list(refusal.findings)
    checked = desired.check(documents, Observed(), settings=settings, admission="cluster")
    return shown(checked.documents, checked.findings)


def many(names: Sequence[str], settings: Settings, memory: Verdicts | None = None, **asked: Any) -> Any:
    outcome = pipeline.check(names, Asked(settings, **asked), recursive=True, verdicts=memory)
    return shown(outcome.documents, outcome.findings)


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
    if not expected[0]:
        findings = [one for one in findings if one.stage == "yaml"]
    assert (documents, findings) == expected


def test_one_text_that_cannot_be_read_does_not_hide_the_others(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BROKEN["unreadable"])
    (job, text), _ = corpus.documents(2)
    (tmp_path / job).write_text(text.replace("numNodes:", "nodes:"))
    documents, findings = many([str(tmp_path)], settings)
    assert documents == []
    # The job is found where it is wrong by itself; its runtime may be in the text that cannot be read.
    assert sorted(one.code for one in findings) == ["KF101", "KF201"]


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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return corpus.write(tmp_path / "files", DOCUMENTS)


def memory(settings: Settings) -> Verdicts:
    return Verdicts.open(Asked(settings))


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were looked at."""
    seen: list[str] = []
    real = structure.examine

    def spy(texts: Any, asked: Any) -> Any:
        seen.extend(Path(text.name).name for text in texts)
        return real(texts, asked)

    monkeypatch.setattr(pipeline, "examine", spy)
    return seen


def test_what_did_not_change_is_not_looked_at_again(folder: Path, settings: Settings, examined: list[str]) -> None:
    first = many([str(folder)], settings, memory(settings))
    assert len(examined) == DOCUMENTS
    assert many([str(folder)], settings, memory(settings)) == first
    assert len(examined) == DOCUMENTS
    assert first[1] == []


def test_a_changed_job_is_looked_at_with_its_runtime(folder: Path, settings: Settings, examined: list[str]) -> None:
    many([str(folder)], settings, memory(settings))
    examined.clear()
    job = sources.load([str(folder / "00003-job.yaml")])[0]
    path = folder / "00003-job.yaml"
    path.write_text(path.read_text().replace("numNodes:", "numNodes: 1000000000000 #"))
    found = many([str(folder)], settings, memory(settings))
    assert found == one_by_one([str(folder)], settings)
    assert {one.object for one in found[1]} == {job.key._replace(namespace="default")}
    assert sorted(set(examined)) == ["00003-job.yaml", "00003-runtime.yaml"]


def test_a_changed_runtime_is_looked_at_with_its_jobs(folder: Path, settings: Settings, examined: list[str]) -> None:
    many([str(folder)], settings, memory(settings))
    examined.clear()
    path = folder / "00004-runtime.yaml"
    path.write_text(path.read_text().replace("image:", "image: ' ' #", 1))
    found = many([str(folder)], settings, memory(settings))
    assert found == one_by_one([str(folder)], settings)
    assert sorted(set(examined)) == ["00004-job.yaml", "00004-runtime.yaml"]


def test_a_runtime_that_went_away_is_missed(folder: Path, settings: Settings) -> None:
    many([str(folder)], settings, memory(settings))
    (folder / "00005-runtime.yaml").unlink()
    found = many([str(folder)], settings, memory(settings))
    assert [one.code for one in found[1]] == ["KF401"]
    assert found == one_by_one([str(folder)], settings)


def test_the_same_object_twice_is_told_although_both_texts_are_known(folder: Path, settings: Settings) -> None:
    many([str(folder)], settings, memory(settings))
    (folder / "again.yaml").write_bytes((folder / "00001-job.yaml").read_bytes())
    found = many([str(folder)], settings, memory(settings))
    assert [one.code for one in found[1]] == ["KF209"]
    assert found == one_by_one([str(folder)], settings)


def test_what_was_wrong_is_told_again_and_again(folder: Path, settings: Settings) -> None:
    path = folder / "00002-job.yaml"
    path.write_text(path.read_text().replace("numNodes:", "nodes:"))
    first = many([str(folder)], settings, memory(settings))
    assert first[1]
    assert many([str(folder)], settings, memory(settings)) == first


@pytest.mark.parametrize("change", [{"until": "schema"}, {"only_own_kinds": True}])
def test_every_way_of_checking_has_a_memory_of_its_own(
    change: dict[str, Any], folder: Path, settings: Settings, examined: list[str]
) -> None:
    many([str(folder)], settings, memory(settings))
    examined.clear()
    many([str(folder)], settings, Verdicts.open(Asked(settings, **change)), **change)
    assert len(examined) == DOCUMENTS


def test_another_version_forgets(folder: Path, settings: Settings, examined: list[str]) -> None:
    many([str(folder)], settings, memory(settings))
    examined.clear()
    other = settings._replace(trainer_version="v2.2")
    many([str(folder)], other, memory(other))
    assert len(examined) == DOCUMENTS


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"x": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_memory_is_none(content: bytes, folder: Path, settings: Settings) -> None:
    expected = many([str(folder)], settings, memory(settings))
    (kept,) = Path(settings.cache_dir, "verdicts").iterdir()
    kept.write_bytes(content)
    assert many([str(folder)], settings, memory(settings)) == expected


def test_entries_of_another_shape_are_none(folder: Path, settings: Settings) -> None:
    import json

    expected = many([str(folder)], settings, memory(settings))
    (kept,) = Path(settings.cache_dir, "verdicts").iterdir()
    kept.write_text(json.dumps({text: [[1]] for text in json.loads(kept.read_text())}))
    assert many([str(folder)], settings, memory(settings)) == expected


def test_memory_is_private_and_its_loss_is_none(folder: Path, settings: Settings) -> None:
    many([str(folder)], settings, memory(settings))
    place = Path(settings.cache_dir, "verdicts")
    (kept,) = place.iterdir()
    assert (place.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)
    kept.unlink()
    place.rmdir()
    place.write_text("in the way")
    assert many([str(folder)], settings, memory(settings))[1] == []


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


def test_no_home_is_made_up_for_it(folder: Path, tmp_path: Path) -> None:
    nowhere = settings_module.load({}, {"HOME": "/kfrun-test-no-such-home"}, tmp_path)
    assert many([str(folder)], nowhere, memory(nowhere))[1] == []
    assert not Path("/kfrun-test-no-such-home").exists()


def test_a_large_memory_is_left_alone_by_small_inputs(
    folder: Path, settings: Settings, examined: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    many([str(folder)], settings, memory(settings))
    (kept,) = Path(settings.cache_dir, "verdicts").iterdir()
    before = kept.read_bytes()
    monkeypatch.setattr(remembered, "_ALWAYS_READ", 100)
    examined.clear()
    (folder / "00001-job.yaml").rename(folder.parent / "job.yaml")
    many([str(folder.parent / "job.yaml"), str(folder / "00001-runtime.yaml")], settings, memory(settings))
    assert examined == []
    monkeypatch.setattr(remembered, "_ALWAYS_READ", -1)
    tiny = folder.parent / "tiny.yaml"
    tiny.write_text("{apiVersion: v1, kind: Namespace, metadata: {name: a}}")
    assert many([str(tiny)], settings, memory(settings))[1] == []
    assert kept.read_bytes() == before


def test_the_memory_of_somebody_else_is_not_believed(
    folder: Path, settings: Settings, examined: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    many([str(folder)], settings, memory(settings))
    examined.clear()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    many([str(folder)], settings, memory(settings))
    assert len(examined) == DOCUMENTS
