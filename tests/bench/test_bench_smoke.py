"""The benchmarks themselves work: each runs once, tiny and without the peer. Nothing is asserted about time."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.bench import (
    commands,
    comparison,
    corpus,
    figures,
    first_line,
    installations,
    kubeconform,
    process,
    validation,
)
from tests.bench.__main__ import BENCHMARKS, PAGE, measured
from tests.bench.figures import Figure
from tests.bench.program import Program
from tests.bench.setting import TINY, Setting
from tests.load.git import gitrepos

if TYPE_CHECKING:
    from pathlib import Path

NEEDS_PACKAGES = {first_line.with_numpy, first_line.with_torch}
"""These install packages; what they do is what `first_line.without_packages` does."""


@pytest.fixture
def setting(tmp_path: Path):
    program = Program([sys.executable, "-m", "kfrun"], tmp_path, tmp_path / "cache")
    yield Setting(program, runs=1, sizes=TINY)
    program.clear()


@pytest.mark.parametrize("name", [name for name, benchmark in BENCHMARKS.items() if benchmark not in NEEDS_PACKAGES])
def test_a_benchmark_yields_figures(name: str, setting: Setting) -> None:
    found = BENCHMARKS[name](setting)
    assert found
    for figure in found:
        assert all(value > 0 for value in figure.kfrun), figure
        assert len(figure.kfrun) == 1
        assert not figure.peer
    assert set(setting.program.supervisors()) == set()
    assert len(figures.to_markdown(found, {}).splitlines()) > len(found)


def test_two_programs_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KFRUN_BENCH_CACHE", str(tmp_path))
    tiny = partial(Setting, runs=1, sizes=TINY)
    before, after = (partial(measured, [sys.executable, "-m", "kfrun"], name, tiny) for name in ("old", "new"))
    (found,) = comparison.by_turns(before, after, 2, BENCHMARKS["exit-status"])
    assert len(found.before) == len(found.kfrun) == 2
    assert all(value > 0 for value in (*found.before, *found.kfrun))
    assert comparison.to_markdown([found], {}).splitlines()[-1].startswith("| exit of the process → status stored | ")


def test_programs_take_turns_in_being_the_first() -> None:
    order: list[str] = []

    def measure(name: str, _benchmark: object) -> list[Figure]:
        order.append(name)
        return [Figure("x", "s", (float(len(order)),)), Figure("y", "ms", (1.0, 2.0), goal=3.0)]

    found = comparison.by_turns(partial(measure, "before"), partial(measure, "after"), 3, BENCHMARKS["delete"])
    assert order == ["before", "after", "after", "before", "before", "after"]
    assert found == [
        Figure("x", "s", (2.0, 3.0, 6.0), before=(1.0, 4.0, 5.0)),
        Figure("y", "ms", (1.0, 2.0) * 3, goal=3.0, before=(1.0, 2.0) * 3),
    ]


@pytest.mark.parametrize(
    ("goal", "after", "row"),
    [
        (figures.MORE, 2.1, "| x | 2.00 s (1.00-3.00) | 2.10 s | 1.050 | ≤ 1.05 | met |"),
        (figures.HARDLY_MORE, 2.1, "| x | 2.00 s (1.00-3.00) | 2.10 s | 1.050 | ≤ 1.03 | **missed** |"),
    ],
)
def test_nothing_may_take_more_than_before(goal: float, after: float, row: str) -> None:
    figure = Figure("x", "s", (after,), goal=1.0, before=(1.0, 2.0, 3.0), before_goal=goal)
    assert row in comparison.to_markdown([figure, Figure("measured alone", "s", (1.0,))], {}).splitlines()


def test_what_was_before_is_a_folder_or_a_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    gitrepos.commit(repository, {"kfrun/version.py": "old"})
    gitrepos.commit(repository, {"kfrun/version.py": "new"})
    monkeypatch.setattr(installations, "ROOT", repository)
    monkeypatch.setenv("KFRUN_BENCH_CACHE", str(tmp_path / "cache"))
    assert (installations.checkout("HEAD~1") / "kfrun" / "version.py").read_text() == "old"
    assert installations.checkout(str(repository)) == repository
    with pytest.raises(SystemExit, match="neither a checkout nor a revision"):
        installations.checkout("nothing")


@pytest.fixture
def built() -> Path:
    program = installations.cache() / f"kubeconform-{kubeconform.VERSION}" / "kubeconform"
    if not program.exists():
        pytest.skip("kubeconform is not built: python -m tests.bench --only validation does it")
    return program


def test_kubeconform_finds_the_documents_valid_and_a_broken_one_not(setting: Setting, built: Path) -> None:
    for figure in validation.validation(replace(setting, kubeconform=built)):
        assert all(value > 0 for value in figure.peer), figure
        assert len(figure.peer) == 1


def test_what_is_measured_must_have_looked(setting: Setting, tmp_path: Path) -> None:
    folder = corpus.write(tmp_path / "files", 4)
    bench = validation._Bench(setting)
    bench(validation.Case("kfrun", (folder,), 4))
    with pytest.raises(RuntimeError, match="4 valid, 0 refused"):
        bench(validation.Case("kfrun", (folder,), 5))
    with pytest.raises(RuntimeError, match="exit 0"):
        bench(validation.Case("schema", (folder,), None))


def test_kubeconform_needs_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KFRUN_BENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="no go on PATH"):
        kubeconform.install()


def test_a_summary_is_read() -> None:
    summary = "Summary: 3 resources found in 1 file - Valid: 1, Invalid: 2, Errors: 0, Skipped: 0"
    assert kubeconform.counts(summary) == (1, 2, 0, 0)
    with pytest.raises(RuntimeError, match="no summary"):
        kubeconform.counts("killed")


def test_documents_are_all_different_and_always_the_same() -> None:
    made = list(corpus.documents(101))
    assert len({name for name, _ in made}) == len({text for _, text in made}) == 101
    assert made == list(corpus.documents(101))
    assert corpus.long_runtime().count("\n") in range(215, 236)


def test_a_process_is_weighed_with_its_children(tmp_path: Path) -> None:
    big = "import time; data = b'x' * 120_000_000; time.sleep(1.5)"
    fork = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {big!r}]) + 3)"
    usage = process.used([sys.executable, "-c", fork], {}, tmp_path / "output", weigh=True)
    assert usage.code == 3
    assert usage.seconds > 1.5 > usage.cpu > 0
    assert 120 < usage.megabytes < 220


def test_a_stored_job_is_there_as_often_as_asked_for(setting: Setting) -> None:
    name = commands._fill(setting.program, 3)
    copies = [f"{name}-00001", f"{name}-00002"]
    for kind in ("trainjobs", "pods"):
        found = json.loads(setting.program("get", kind, "-o", "json"))["items"]
        assert len({item["metadata"]["uid"] for item in found}) == 3, kind
        assert all(item["metadata"]["name"].startswith(name) for item in found)
    assert f"trainjob.trainer.kubeflow.org/{copies[0]}" in setting.program("get", "trainjobs", "-o", "name").split()
    assert copies[1] in setting.program("events", copies[1])
    setting.program("delete", *copies)
    assert len(json.loads(setting.program("get", "pods", "-o", "json"))["items"]) == 1


def test_samples_are_taken_in_turns(setting: Setting) -> None:
    taken: list[str] = []
    samples = {name: lambda name=name: float(len(taken.append(name) or taken)) for name in "ab"}
    found = Setting(setting.program, runs=3).interleaved(samples, at_most={"b": 2})
    assert taken == ["a", "b", "a", "b", "a"]
    assert found == {"a": (1.0, 3.0, 5.0), "b": (2.0, 4.0)}


@pytest.mark.parametrize(
    ("figure", "met", "row"),
    [
        (Figure("x", "s", (0.1, 0.3, 0.2), goal=0.2), True, "| x | ≤ 0.20 s | 0.20 s (0.10-0.30) |  |  |  | met |"),
        (Figure("x", "ms", (3.0,), goal=2.0), False, "| x | ≤ 2.0 ms | 3.0 ms |  |  |  | **missed** |"),
        (
            Figure("x", "s", (1.0,), ratio_goal=0.07, peer=(10.0,), directly=(0.5,)),
            False,
            "| x | ratio ≤ 0.07 | 1.00 s | 0.50 s | 10.00 s | 0.1 | **missed** |",
        ),
        (Figure("x", "MB", (150.2,), note="why"), None, "| x (1) |  | 150 MB |  |  |  |  |"),
        (
            Figure("x", "ms", (500.0,), peer=(250.0,), documents=1000),
            None,
            "| x: 2,000 documents/s, peer 4,000 |  | 500 ms |  | 250 ms | 2 |  |",
        ),
    ],
)
def test_a_goal_is_judged_by_the_median(figure: Figure, met: bool | None, row: str) -> None:
    assert figure.is_met is met
    assert row in figures.to_markdown([figure], {})


def test_the_table_of_the_page_is_replaced() -> None:
    page = PAGE.read_text(encoding="utf-8")
    once = figures.put_into(page, "| a table |\n")
    assert once.count("| a table |") == 1
    assert figures.put_into(once, "| a table |\n") == once
    assert once.startswith(page[: page.index("<!-- figures")])
    assert once.endswith(page[page.index("<!-- end of figures") :])


def test_figures_are_kept_for_the_next_call(tmp_path: Path) -> None:
    kept = {"a": [Figure("x", "s", (0.1, 0.2), goal=0.2, note="why")], "b": [Figure("y", "ms", (3.0,), peer=(4.0,))]}
    assert figures.read(tmp_path / "figures.json") == {}
    figures.write(tmp_path / "figures.json", kept, {"processor": "fast"})
    assert figures.read(tmp_path / "figures.json") == kept
