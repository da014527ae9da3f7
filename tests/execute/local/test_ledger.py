"""A ledger writes what has changed, and of very many pods no more than that."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.local import ledger
from kfrun.execute.local.jobfiles import RunFiles
from kfrun.execute.local.ledger import Ledger
from kfrun.model.runstate import RunState
from kfrun.observe.store import Run, Store
from tests.execute.controller.machine import NEVER, Machine, child, workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UID = "uid"
NODES = 100


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state" / "kfrun.db") as opened:
        (tmp_path / "job").mkdir()
        opened.add_run(Run(UID, "default", "job", str(tmp_path / "job"), "process", "d", "r", "boot"))
        yield opened


def run_of(store: Store) -> Run:
    found = store.run(UID)
    assert found is not None
    return found


def ledger_of(store: Store, machine: Machine) -> Ledger:
    return Ledger(store, run_of(store), RunFiles(machine.workload, {}))


def written(store: Store, book: Ledger, machine: Machine) -> int:
    """How many states of pods one save writes."""
    statements: list[str] = []
    store._db.set_trace_callback(statements.append)
    assert book.save(machine.state, [])
    store._db.set_trace_callback(None)
    return sum("INTO states" in statement and "'uid','job-" in statement for statement in statements)


def test_of_very_many_pods_the_one_that_has_changed_is_written(store: Store) -> None:
    machine = Machine(workload(child(nodes=NODES, pod=NEVER, backoffLimit=9)))
    book = ledger_of(store, machine)
    assert written(store, book, machine) == NODES
    assert written(store, book, machine) == 0
    machine.end(7, 1)
    assert written(store, book, machine) == 1
    assert len(run_of(store).state) < 100 * NODES
    assert store.state(UID) == machine.state.to_json()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_store_holds_the_state_as_it_is(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    pod = rng.choice(({}, NEVER))
    restarts = {"failurePolicy": {"maxRestarts": 2}}
    machine = Machine(workload(child(nodes=5, containers=2, pod=pod, backoffLimit=6), spec=restarts), slow=True)
    book = ledger_of(store, machine)
    for _ in range(60):
        active = [(p, c) for p in machine.state.pods for c in p.containers if c.active]
        if active and rng.random() < 0.8:
            found, container = rng.choice(active)
            if container.status == "starting":
                machine.started(found.index, container.name)
            else:
                machine.end(found.index, rng.choice((0, 1)), container=container.name)
        elif rng.random() < 0.1:
            machine.state.suspend = not machine.state.suspend
        machine.at(machine.now + rng.choice((0, 1, 40)))
        assert book.save(machine.state, [])
        assert RunState.from_json(store.state(UID)) == machine.state
        if rng.random() < 0.1:
            # Another supervisor takes over.
            book = ledger_of(store, machine)
            assert book.load(0.0) == ledger.latest(store, run_of(store)) == machine.state


def test_what_was_stored_in_one_piece_is_read_and_stored_in_parts(store: Store) -> None:
    machine = Machine(workload(child(nodes=3)))
    assert ledger_of(store, machine).save(machine.state, [])
    machine.end(1)
    store.change_run(UID, state=ledger._dumps(machine.state.to_json()))
    book = ledger_of(store, machine)
    assert book.load(0.0) == machine.state
    assert written(store, book, machine) == 3
    assert store.state(UID) == machine.state.to_json()


def test_nothing_is_left_of_a_job_that_is_forgotten(store: Store) -> None:
    machine = Machine(workload(child(nodes=3)))
    assert ledger_of(store, machine).save(machine.state, [])
    assert len(store.part(UID)) == 3
    store.forget(UID)
    assert (store.part(UID), store.state(UID)) == (set(), {})


@pytest.mark.parametrize(
    "damage", ["DELETE FROM states WHERE pod=''", "UPDATE states SET state='[]'", "UPDATE states SET state='{'"]
)
def test_parts_that_are_damaged_are_told_and_no_state(store: Store, damage: str) -> None:
    machine = Machine(workload(child(nodes=2)))
    assert ledger_of(store, machine).save(machine.state, [])
    store._db.execute(damage)
    assert ledger.latest(store, run_of(store)) is None
    with pytest.raises(ValueError, match=r"kfrun\.db: "):
        ledger_of(store, machine).load(0.0)
