"""``python -m tests.fuzz --documents 100000 --seed 1``: mutated documents, each taken the whole way; 1 upon a failure.

Promised is: findings, never a traceback; no document takes 2 s; every position lies inside its file. What breaks a
promise is kept with its number, and ``--only SEED/INDEX`` takes it again. Seeds are the manifests of this repository
and those of any ``--corpus DIR``; the number of a document stands for the same one as long as the seeds are the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzzing import campaign, inputs

if TYPE_CHECKING:
    from tests.fuzzing.campaign import Plan, Result
    from tests.fuzzing.inputs import Input

KEEP = Path(tempfile.gettempdir()) / "kfrun-fuzz-failures"
EVERY = 5_000
"""Documents between two lines of progress."""


def main() -> int:
    """Run what was asked for."""
    options = _options()
    folders = (*inputs.OWN, *(str(Path(folder).resolve()) for folder in options.corpus))
    if options.only:
        seed, _, index = options.only.partition("/")
        return _again(campaign.Plan(int(seed), [int(index)], folders))
    plan = campaign.Plan(options.seed, range(options.documents), folders, options.jobs)
    return run(plan, options.keep)


def run(plan: Plan, keep: Path) -> int:
    """Carry out a plan and print what comes of it; failures go to the folder ``keep``."""
    summary = campaign.Summary()
    for result in campaign.run(plan):
        summary.add(result)
        if result.outcome.failure:
            _keep(plan, result, keep)
        if summary.inputs % EVERY == 0:
            print(f"{summary.inputs:,} documents, {len(summary.failures)} failures", flush=True)
    print("\n".join(summary.lines(plan.seed)))
    return 1 if summary.failures else 0


def _keep(plan: Plan, result: Result, folder: Path) -> None:
    given = inputs.numbered(plan.seed, result.index, inputs.read_seeds(plan.folders))
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{plan.seed}-{result.index}"
    (folder / f"{name}{_suffix(given)}").write_bytes(given.data)
    (folder / f"{name}.txt").write_text(
        f"{_about(given)}\n{result.outcome.failure}\n", encoding="utf-8", errors="replace"
    )
    first, last = (result.outcome.failure.strip().splitlines()[index] for index in (0, -1))
    print(f"{plan.seed}/{result.index}: {first if first == last else f'{first} … {last}'}"[:300], flush=True)


def _again(plan: Plan) -> int:
    """Take one input again, and show it."""
    seeds = inputs.read_seeds(plan.folders)
    given = inputs.numbered(plan.seed, plan.indexes[0], seeds)
    sys.stdout.buffer.write(given.data + b"\n")
    with tempfile.TemporaryDirectory(prefix="kfrun-fuzz-") as folder:
        result = campaign.one(plan, plan.indexes[0], seeds, Path(folder))
    print(f"# {_about(given)}; {result.used:.2f} s; findings: {dict(result.outcome.stages)}")
    print(result.outcome.failure or "nothing is wrong")
    return 1 if result.outcome.failure else 0


def _suffix(given: Input) -> str:
    return ".yaml.j2" if given.is_template else ".yaml"


def _about(given: Input) -> str:
    return f"made of {given.made_of}, Trainer {given.version}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--documents", type=int, default=2_000, metavar="N", help="how many (default: 2000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all choices (default: 1)")
    parser.add_argument("--corpus", action="append", default=[], metavar="DIR", help="further manifests to mutate")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--keep", type=Path, default=KEEP, metavar="DIR", help=f"where failures go (default: {KEEP})")
    parser.add_argument("--only", metavar="SEED/INDEX", help="take this one document again and show it")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
