"""Many inputs, each taken the whole way in a process that may hang or die: all that happens is told and repeatable.

A process takes its share of them. It is interrupted when an input has used up its time, and the parent kills it when it
does not answer at all; then another one goes on behind the input that was to blame.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kfrun import settings as settings_module
from tests.fuzzing import commands, inputs
from tests.fuzzing.way import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.fuzzing.inputs import Input, Seed

LIMIT: Final = 2.0
"""Seconds of processor time for one input."""

SILENCE: Final = 30.0
"""Seconds until a process that says nothing is killed; longer than `LIMIT`, for the machine may be busy."""

MEMORY: Final = 4 * 2**30
"""Bytes that a process may map."""

THOROUGH: Final = 10
"""Every so many inputs go the way twice, and through the verbs themselves, too."""


class Hang(BaseException):
    """An input took too long. No ``Exception``: kfrun itself catches these around templates."""


class Plan(NamedTuple):
    """What is to be done.

    Attributes:
        seed: of all choices.
        indexes: the numbers of the inputs.
        folders: whose manifests are mutated.
        jobs: processes.
        limit: see `LIMIT`.
        silence: see `SILENCE`.
        take: takes one input the whole way.
    """

    seed: int
    indexes: Sequence[int]
    folders: Sequence[str] = inputs.OWN
    jobs: int = 1
    limit: float = LIMIT
    silence: float = SILENCE
    take: Callable[[Input, Path, bool], Outcome] | None = None


class Outcome(NamedTuple):
    """What came of one input.

    Attributes:
        failure: what was wrong with kfrun, several lines; empty when all is well.
        stages: of the findings, with their numbers.
        digest: of everything that was written.
        documents: that were read.
    """

    failure: str = ""
    stages: tuple[tuple[str, int], ...] = ()
    digest: str = ""
    documents: int = 0


class Result(NamedTuple):
    """The outcome of the input with a number, and the seconds that it took: of the processor's time, of the clock's."""

    index: int
    outcome: Outcome
    used: float = 0.0
    passed: float = 0.0


def take(given: Input, folder: Path, thorough: bool) -> Outcome:
    """Take an input the whole way, and where it is ``thorough`` twice and through the verbs."""
    settings = settings_module.load({}, {"KFRUN_HOME": str(folder / "home")}, folder)
    answer = walk(given, settings)
    broken = list(answer.broken)
    if thorough:
        if walk(given, settings).digest != answer.digest:
            broken.append("the second time something else is written")
        broken += commands.wrong(given, answer, folder)
    stages = Counter(str(one.stage) for one in answer.findings)
    return Outcome("\n".join(broken), tuple(sorted(stages.items())), answer.digest, len(answer.documents))


def run(plan: Plan) -> Iterator[Result]:
    """The results, as they come."""
    context = multiprocessing.get_context("spawn")
    # thorough ones take longer, and each process gets as many
    shares = [[one for one in plan.indexes if one // THOROUGH % plan.jobs == number] for number in range(plan.jobs)]
    with tempfile.TemporaryDirectory(prefix="kfrun-fuzz-") as folder:
        workers = [_Worker(context, plan, share, Path(folder)) for share in shares if share]
        try:
            while workers:
                ready = wait([worker.receiver for worker in workers], timeout=0.5)
                for worker in workers:
                    yield from worker.results(is_ready=worker.receiver in ready)
                workers = [worker for worker in workers if worker.share]
        finally:
            for worker in workers:
                worker.end()


class _Worker:
    """A process, and the inputs that are left to it."""

    def __init__(self, context: Any, plan: Plan, share: list[int], folder: Path) -> None:
        self.share = share
        self._context, self._plan, self._folder = context, plan, folder
        self._start()

    def _start(self) -> None:
        self.receiver, sender = self._context.Pipe(duplex=False)
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        arguments = (self._plan._replace(indexes=tuple(self.share)), folder, sender)
        self._process = self._context.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        sender.close()
        self._heard = time.monotonic() + 30  # it imports everything first

    def results(self, *, is_ready: bool) -> Iterator[Result]:
        """What has come since; where nothing does, the input to blame."""
        if not is_ready:
            if time.monotonic() - self._heard > self._plan.silence:
                yield self._give_up(f"no answer for {self._plan.silence:g} s")
            return
        try:
            result: Result = self.receiver.recv()
        except EOFError:
            self._process.join(5)
            yield self._give_up(f"the process ended with {self._process.exitcode}")
            return
        self._heard = time.monotonic()
        self.share.remove(result.index)
        if not self.share:
            self.end()
        yield result

    def _give_up(self, why: str) -> Result:
        self.end()
        index = self.share.pop(0)
        if self.share:
            self._start()
        return Result(index, Outcome(why))

    def end(self) -> None:
        """Kill the process; it has nothing to lose."""
        self._process.kill()
        self._process.join()
        self.receiver.close()


def _work(plan: Plan, folder: Path, sender: Any) -> None:
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(folder)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    seeds = inputs.read_seeds(plan.folders)
    for index in plan.indexes:
        sender.send(one(plan, index, seeds, folder))


def one(plan: Plan, index: int, seeds: Sequence[Seed], folder: Path) -> Result:
    """The result of the input with a number."""
    given = inputs.numbered(plan.seed, index, seeds)
    used, passed = time.process_time(), time.monotonic()
    try:
        with time_limit(plan.limit * (1 + 3 * (index % THOROUGH == 0))):
            outcome = (plan.take or take)(given, folder, index % THOROUGH == 0)
    except Hang:
        outcome = Outcome(f"not done after {plan.limit:g} s\n{traceback.format_exc()}")
    except Exception:
        outcome = Outcome(traceback.format_exc())
    return Result(index, outcome, time.process_time() - used, time.monotonic() - passed)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `Hang` in what takes longer than so many seconds of the processor's time."""

    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


class Summary:
    """What a campaign came to."""

    def __init__(self) -> None:
        self.failures: list[Result] = []
        self.inputs = 0
        self._documents = 0
        self._clean = 0
        self._stages: Counter[str] = Counter()
        self._slowest = Result(0, Outcome())
        self._answers = 0
        self._started = time.monotonic()

    def add(self, result: Result) -> None:
        """Take a result in."""
        outcome = result.outcome
        self.inputs += 1
        self._documents += outcome.documents
        self._clean += not outcome.stages and not outcome.failure
        self._stages.update(dict(outcome.stages))
        if outcome.failure:
            self.failures.append(result)
        if result.index % THOROUGH and result.used > self._slowest.used:
            self._slowest = result
        # a sum: the order in which processes answer does not matter
        self._answers += int(hashlib.sha256(f"{result.index}/{outcome.digest}".encode()).hexdigest(), 16)

    @property
    def reached(self) -> set[str]:
        """The stages that found something."""
        return set(self._stages)

    @property
    def answers(self) -> str:
        """Stands for everything that was written: two campaigns that agree have written the same."""
        return f"{self._answers % 2**64:016x}"

    def lines(self, seed: int) -> Iterator[str]:
        """The figures for people; the last line says how it ended."""
        passed = time.monotonic() - self._started
        stages = ", ".join(f"{stage} {count:,}" for stage, count in self._stages.most_common())
        yield f"findings: {stages or 'none'}"
        yield f"objects read: {self._documents:,}; documents without any finding: {self._clean:,}"
        slow = self._slowest
        yield f"slowest: {seed}/{slow.index} with {slow.used:.2f} s of processor time ({slow.passed:.2f} s passed)"
        yield (
            f"{self.inputs:,} documents of seed {seed} in {passed:.0f} s ({self.inputs / passed:.0f}/s), "
            f"answers {self.answers}: {len(self.failures)} failures"
        )
