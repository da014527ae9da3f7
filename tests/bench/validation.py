"""``kfrun validate`` beside kubeconform: the same files, the same schemas, the same two cores."""

from __future__ import annotations

import shutil
import statistics
from typing import TYPE_CHECKING, NamedTuple

from tests.bench import corpus, kubeconform, process
from tests.bench.figures import HARDLY_MORE, Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.bench.process import Usage
    from tests.bench.setting import Setting

_WHOLE = ("kfrun", "schema")
_SCHEMA_RATIO, _RULES_RATIO = 1.0, 2.0
_ONE_RATIO = 2.5
_FAULTY_BY_SOUND = 3.0
"""How much longer documents of which half are faulty may take than sound ones."""

_GOAL_MS, _ONE_GOAL_MS = 80.0, 55.0
_PEER = "(kubeconform)"

_PEERS = f"Peer: kubeconform {kubeconform.VERSION} with kfrun's schemas, `-strict -n {kubeconform.WORKERS}`."
_WHOLE_PROCESSES = (
    "Whole processes, kfrun's without store and verdicts of earlier runs. CPU: user and system time of the process and "
    "its children"
)
_SAME = f"{_PEERS} Both find all documents valid, and a broken one not. {_WHOLE_PROCESSES}"
_HALF = (
    f"{_PEERS} Half of the documents are faulty, each in one of {len(corpus.JOB_FAULTS) + len(corpus.RUNTIME_FAULTS)} "
    "ways; kubeconform, which knows schemas only, finds three of five. kfrun says of each where it stands. "
    f"The goal in milliseconds is {_FAULTY_BY_SOUND:g} times what sound documents take. {_WHOLE_PROCESSES}"
)


class Case(NamedTuple):
    """One command to measure.

    Attributes:
        program: ``kfrun``, ``schema`` (``kfrun validate --until schema``) or ``kubeconform``.
        paths: what it validates.
        documents: how many it must find; None where it must refuse the input.
        cache: kfrun's cache; None for an empty one each time.
        faulty: how many of the documents are; kubeconform must find some of them.
    """

    program: str
    paths: tuple[Path, ...]
    documents: int | None
    cache: Path | None = None
    faulty: int = 0


def validation(setting: Setting) -> list[Figure]:
    """Many documents, in as many files and in one; one document; many again."""
    count, bench = setting.sizes.documents, _Bench(setting)
    files = corpus.write(setting.program.folder / "files", count)
    half = corpus.write(setting.program.folder / "half", count, half_faulty=True)
    stream = corpus.write_stream(setting.program.folder / "stream.yaml", count=count)
    bench.refuse_broken()
    kept = setting.program.folder / "kept"
    cases = {
        "schema": Case("schema", (files,), count),
        "rules": Case("kfrun", (files,), count),
        "peer": Case("kubeconform", (files,), count),
        "again": Case("kfrun", (files,), count, kept),
        "schema stream": Case("schema", (stream,), count),
        "rules stream": Case("kfrun", (stream,), count),
        "peer stream": Case("kubeconform", (stream,), count),
        "faulty": Case("kfrun", (half,), count, faulty=count // 2),
        "peer faulty": Case("kubeconform", (half,), count, faulty=count // 2),
    }
    bench(cases["again"])
    taken = bench.interleaved(cases)
    what = f"{count:,} documents"
    return [
        *_both(f"{what} in as many files, schema", taken, "schema", "peer", _SCHEMA_RATIO, count),
        *_both(f"{what} in as many files, all rules", taken, "rules", "peer", _RULES_RATIO, count),
        *_both(f"{what} in one file, schema", taken, "schema stream", "peer stream", _SCHEMA_RATIO, count),
        *_both(f"{what} in one file, all rules", taken, "rules stream", "peer stream", _RULES_RATIO, count),
        *_half_faulty(f"{what} in as many files, half of them faulty, all rules", taken),
        *_again(f"{what} in as many files, all rules, unchanged since the last run", taken),
        *_one_document(setting, bench),
    ]


def large(setting: Setting) -> list[Figure]:
    """One file of many megabytes."""
    size, bench = setting.sizes.megabytes, _Bench(setting, weigh=True)
    path = corpus.write_stream(setting.program.folder / "large.yaml", size=size * 1_000_000)
    count = path.read_text(encoding="utf-8").count("---\n")
    cases = {name: Case(name, (path,), count) for name in ("kfrun", "schema", "kubeconform")}
    taken = bench.interleaved(cases)
    theirs = taken.get("kubeconform", ())
    name = f"{size} MB, {count:,} documents, in one file"
    return [
        Figure(f"{name}, {work}: {what}", unit, _each(taken[key], what), peer=_each(theirs, what), peer_note=_PEER,
               note=f"{_SAME}.")
        for key, work in (("kfrun", "all rules"), ("schema", "schema"))
        for what, unit in _LARGE.items()
    ]  # fmt: skip


_LARGE = {"wall": "s", "CPU": "s", "peak memory": "MB"}


def _each(taken: Iterable[Usage], what: str) -> tuple[float, ...]:
    read = {"wall": lambda one: one.seconds, "CPU": lambda one: one.cpu, "peak memory": lambda one: one.megabytes}
    return tuple(read[what](one) for one in taken)


class _Bench:
    """Runs cases and looks at what they say."""

    def __init__(self, setting: Setting, *, weigh: bool = False) -> None:
        self._setting = setting
        self._weigh = weigh
        self._folder = setting.program.folder
        self._empty = self._folder / "empty"

    def __call__(self, case: Case) -> Usage:
        shutil.rmtree(self._empty, ignore_errors=True)
        cache = str(case.cache or self._empty)
        env = {**self._setting.program.env, "KFRUN_CACHE_DIR": cache, "KFRUN_STATE_DIR": str(self._folder / "no-state")}
        usage = process.used(self._line(case), env, self._folder / "output", weigh=self._weigh)
        _require(case, usage)
        return usage

    def _line(self, case: Case) -> list[str]:
        if case.program == "kubeconform":
            assert self._setting.kubeconform is not None
            return kubeconform.command(self._setting.kubeconform, *case.paths)
        until = ("--until", "schema") if case.program == "schema" else ()
        return [*self._setting.program.command, "validate", *until, *map(str, case.paths)]

    def refuse_broken(self) -> None:
        """Make sure that what is measured does look: all must refuse a document with one field misspelt."""
        path = self._folder / "broken.yaml"
        path.write_text(corpus.long_runtime().replace("backoffLimit:", "backofLimit:", 1), encoding="utf-8")
        for program in self._programs():
            self(Case(program, (path,), None))

    def _programs(self) -> Iterable[str]:
        return (*_WHOLE, "kubeconform") if self._setting.kubeconform else _WHOLE

    def interleaved(self, cases: dict[str, Case], *, often: bool = False) -> dict[str, tuple[Usage, ...]]:
        """Each case by turns, short ones often."""
        taken: dict[str, list[Usage]] = {
            name: [] for name, case in cases.items() if case.program in self._programs()
        }  # fmt: skip

        def sample(name: str) -> Callable[[], float]:
            def run() -> float:
                taken[name].append(self(cases[name]))
                return taken[name][-1].seconds

            return run

        self._setting.interleaved({name: sample(name) for name in taken}, often=often)
        return {name: tuple(values) for name, values in taken.items()}


def _require(case: Case, usage: Usage) -> None:
    if case.documents is None:
        is_right = usage.code == 1
    elif case.program == "kubeconform" and case.faulty:
        valid, invalid, errors, passed_over = kubeconform.counts(usage.output)
        is_right = usage.code == 1 and 0 < invalid <= case.faulty and valid + invalid + errors == case.documents
        is_right = is_right and passed_over == 0
    elif case.program == "kubeconform":
        is_right = usage.code == 0 and kubeconform.counts(usage.output) == (case.documents, 0, 0, 0)
    elif case.documents == 1:
        is_right = usage.code == 0 and usage.output.endswith(" is valid\n")
    else:
        counted = f"{case.documents} objects: {case.documents - case.faulty} valid, {case.faulty} refused"
        is_right = usage.code == (1 if case.faulty else 0) and counted in usage.output
    if not is_right:
        raise RuntimeError(f"{case}: exit {usage.code}\n{usage.output[-1000:]}")


def _both(
    name: str, taken: dict[str, tuple[Usage, ...]], ours: str, theirs: str, ratio: float, count: int
) -> list[Figure]:
    mine, others = taken[ours], taken.get(theirs, ())
    return [
        Figure(
            name, "ms", _wall(mine), ratio_goal=ratio, before_goal=HARDLY_MORE, peer=_wall(others), peer_note=_PEER,
            note=f"{_SAME}.", documents=count,
        ),
        Figure(
            f"{name}: CPU", "ms", _cpu(mine), before_goal=HARDLY_MORE, peer=_cpu(others), peer_note=_PEER,
            note=f"{_SAME}.",
        ),
    ]  # fmt: skip


def _half_faulty(name: str, taken: dict[str, tuple[Usage, ...]]) -> list[Figure]:
    mine, others, sound = taken["faulty"], taken.get("peer faulty", ()), statistics.median(_wall(taken["rules"]))
    return [
        Figure(
            name, "ms", _wall(mine), goal=_FAULTY_BY_SOUND * sound, ratio_goal=_RULES_RATIO, before_goal=HARDLY_MORE,
            peer=_wall(others), peer_note=_PEER, note=f"{_HALF}.",
        ),
        Figure(
            f"{name}: CPU", "ms", _cpu(mine), before_goal=HARDLY_MORE, peer=_cpu(others), peer_note=_PEER,
            note=f"{_HALF}.",
        ),
    ]  # fmt: skip


def _again(name: str, taken: dict[str, tuple[Usage, ...]]) -> list[Figure]:
    mine, others = taken["again"], taken.get("peer", ())
    note = f"{_SAME}. The folder was validated before, with the same cache; kubeconform keeps no verdicts."
    return [
        Figure(
            name, "ms", _wall(mine), goal=_GOAL_MS, before_goal=HARDLY_MORE, peer=_wall(others), peer_note=_PEER,
            note=note,
        ),
        Figure(
            f"{name}: CPU", "ms", _cpu(mine), before_goal=HARDLY_MORE, peer=_cpu(others), peer_note=_PEER, note=note,
        ),
    ]  # fmt: skip


def _one_document(setting: Setting, bench: _Bench) -> list[Figure]:
    path = setting.program.folder / "one.yaml"
    text = corpus.long_runtime()
    path.write_text(text, encoding="utf-8")
    cases = {"rules": Case("kfrun", (path,), 1), "peer": Case("kubeconform", (path,), 1)}
    taken = bench.interleaved(cases, often=True)
    mine, others = taken["rules"], taken.get("peer", ())
    name = f"one document of {text.count(chr(10))} lines, all rules"
    return [
        Figure(
            name,
            "ms",
            _wall(mine),
            goal=_ONE_GOAL_MS,
            ratio_goal=_ONE_RATIO,
            peer=_wall(others),
            peer_note=_PEER,
            note=f"{_SAME}.",
        ),
        Figure(f"{name}: CPU", "ms", _cpu(mine), peer=_cpu(others), peer_note=_PEER, note=f"{_SAME}."),
    ]


def _wall(taken: Iterable[Usage]) -> tuple[float, ...]:
    return tuple(one.seconds * 1000 for one in taken)


def _cpu(taken: Iterable[Usage]) -> tuple[float, ...]:
    return tuple(one.cpu * 1000 for one in taken)
