"""The store: objects, runs, events and ports, for many processes at once."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.errors import Conflict, NotFound, StoreFailed
from kfrun.model.source import ObjectKey
from kfrun.model.state import Event
from kfrun.observe.store import FormerRun, Run, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = ObjectKey("v1", "Pod", "default", "one")
RUN = Run("uid-1", "default", "one", "/folder", "process", "d", "r", "boot")


def thing(name: str = "one", kind: str = "Pod", uid: str = "uid-1", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", "uid": uid},
        **more,
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "kfrun.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path) as opened:
        yield opened


def test_it_lies_in_private_files(store: Store, path: Path) -> None:
    store.create(thing())
    for item in (path.parent, *path.parent.iterdir()):
        assert stat.S_IMODE(item.stat().st_mode) & 0o077 == 0, item


def test_it_is_not_made_by_those_who_only_look(path: Path) -> None:
    with pytest.raises(NotFound):
        Store.open(path, create=False)
    assert not path.parent.exists()


def test_objects_come_back_with_their_version(store: Store) -> None:
    created = store.create(thing(spec={"a": 1}))
    assert store.find("Pod", "default", "one") == created
    assert created.data["metadata"]["resourceVersion"] == str(created.resource_version)
    assert store.find("Pod", "other", "one") is None
    with pytest.raises(Conflict):
        store.create(thing(uid="uid-2"))


def test_a_writer_that_read_an_older_version_is_refused(store: Store, path: Path) -> None:
    version = store.create(thing()).resource_version
    with Store.open(path) as other:
        other.update(thing(spec={"from": "other"}))
    with pytest.raises(Conflict):
        store.update(thing(spec={"from": "us"}), expected=version)
    with pytest.raises(Conflict):
        store.update(thing(uid="uid-2"))
    found = store.find("Pod", "default", "one")
    assert found is not None
    assert found.data["spec"] == {"from": "other"}


def test_a_transaction_is_stored_whole_or_not_at_all(store: Store) -> None:
    def half() -> None:
        with store.writing():
            store.add_run(RUN)
            store.update(thing("missing"))

    with pytest.raises(Conflict):
        half()
    assert store.runs() == []
    with store.writing():
        store.create(thing())
        store.add_run(RUN)
    assert store.runs() == [RUN]


def test_a_reader_sees_one_moment(store: Store, path: Path) -> None:
    """Run and object are read one after the other: a change of both in between must not be seen by half."""
    store.create(thing())
    store.add_run(RUN)
    with Store.open(path) as other:
        with store.reading():
            before = store.run("uid-1")
            with other.writing():
                other.change_run("uid-1", run_digest="new")
                other.update(thing(spec={"suspend": False}))
            found = store.find("Pod", "default", "one")
        assert before is not None
        assert found is not None
        assert (before.run_digest, found.data.get("spec")) == ("r", None)
        after = store.run("uid-1")
        assert after is not None
        assert after.run_digest == "new"
        with store.reading():
            pass
        store.change_run("uid-1", run_digest="newer")


def test_what_others_wrote_is_noticed(store: Store, path: Path) -> None:
    seen = store.changes()
    assert store.changes() == seen
    with Store.open(path) as other:
        other.create(thing())
    assert store.changes() != seen


def test_a_run_is_changed_and_forgotten_with_all_it_owns(store: Store) -> None:
    store.create(thing("job", "TrainJob"))
    store.create(thing("pod", uid="uid-1-pod"), owner="uid-1")
    store.create(thing("other", uid="uid-2"))
    store.add_run(RUN)
    store.record([Event(KEY, "Normal", "R", "m", 1.0, 1.0, owner="uid-1")])
    assert store.lease_port("uid-1", [20000]) == 20000
    assert store.change_run("uid-1", state="{}", ended=1)
    assert store.run("uid-1") == replace(RUN, state="{}", ended=True)
    assert not store.has_unended_runs()
    store.forget("uid-1")
    assert store.runs() == store.events() == store.objects("TrainJob") == []
    assert [item.key.name for item in store.objects("Pod")] == ["other"]
    assert store.lease_port("uid-2", [20000]) == 20000
    assert not store.change_run("uid-1", state="")


def test_events_that_repeat_are_counted(store: Store) -> None:
    for at in (1.0, 2.0, 3.0):
        store.record([Event(KEY, "Warning", "BackOff", "again", at, at, owner="uid-1")])
    store.record([Event(KEY, "Normal", "Started", "now", 4.0, 4.0, owner="uid-1")])
    (first, event), (second, _) = store.events("default")
    assert (event.count, event.first_time, event.last_time) == (3, 1.0, 3.0)
    assert [number for number, _ in store.events(owner="uid-1", after=first)] == [second]


def test_the_ten_thousandth_event_of_a_job_takes_no_longer_than_the_first(store: Store, path: Path) -> None:
    def steps() -> int:
        """Of SQLite's machine, in tens, for one event."""
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        store._db.set_progress_handler(step, 10)
        store.record([Event(KEY, "Normal", "R", f"m{count}", 1.0, 1.0, owner="uid-1")])
        store._db.set_progress_handler(None, 0)
        return count

    first = steps()
    store.record([Event(KEY, "Normal", "R", f"restart {number}", 1.0, 1.0, owner="uid-1") for number in range(2000)])
    assert first <= steps() < 10 * (first + 1)


def test_many_processes_may_open_it_for_the_first_time_at_once(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kfrun.observe.store import Store\n"
        "from tests.observe.test_store import thing\n"
        "with Store.open(Path(sys.argv[1])) as store:\n"
        "    for number in range(20): store.create(thing(f'{sys.argv[2]}-{number}', uid='u'))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(number)], stderr=subprocess.PIPE)
        for number in range(6)
    ]
    for process in processes:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    with Store.open(path) as store:
        found = store.objects("Pod")
    assert len(found) == 120
    assert len({item.resource_version for item in found}) == 120


def test_a_damaged_file_is_an_error_and_not_a_traceback(path: Path) -> None:
    with Store.open(path) as store:
        store.create(thing())
    path.write_bytes(b"SQLite format 3\0" + os.urandom(8192))
    with pytest.raises(StoreFailed, match=r"kfrun\.db"), Store.open(path) as store:
        store.objects("Pod")


def test_the_file_of_a_newer_kfrun_is_left_alone(path: Path) -> None:
    Store.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreFailed, match="newer kfrun"):
        Store.open(path)


def make_former(path: Path) -> None:
    """A store as version 0.1 made it, with a run in it."""
    with Store.open(path) as store:
        store.add_run(Run("u", "default", "a", "/a", "process", "d", "r", "b"))
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN code")
        connection.execute("ALTER TABLE runs DROP COLUMN number")
        connection.execute("DROP TABLE history")
    connection.close()


def test_a_store_of_the_version_before_gets_what_it_lacks_and_serves_both(path: Path) -> None:
    make_former(path)
    with Store.open(path) as first, Store.open(path) as second:
        assert first.run("u") == second.run("u") == Run("u", "default", "a", "/a", "process", "d", "r", "b")
        first.change_run("u", code="{}")
        assert [run.code for run in second.runs()] == ["{}"]
    with sqlite3.connect(path) as connection:  # the version before names the columns that it knows
        connection.execute(
            "INSERT INTO runs (uid, namespace, name, folder, backend, digest, run_digest, boot, request, ended,"
            " runtime, state, previous) VALUES ('v','','','','','','','','',0,'','','')"
        )
    connection.close()
    with Store.open(path) as store:
        assert [run.code for run in store.unended_runs()] == ["{}", ""]


def test_a_store_of_the_version_before_can_be_read_where_nothing_can_be_written(path: Path) -> None:
    make_former(path)
    store = Store._as_it_is(str(path))
    run = store.run("u")
    assert run is not None
    assert (run.code, run.name, run.number) == ("", "a", 1)
    assert store.former_runs() == []
    store.close()


def former(number: int, name: str = "a") -> FormerRun:
    return FormerRun("default", name, number, f"uid-{number}", f"/{number}", "process", "d", "r", "", "", "", "{}")


def test_the_history_holds_so_many_runs_of_a_name_and_tells_which_had_to_go(store: Store) -> None:
    store.keep(former(7, "other"), most=1)
    assert [store.keep(former(number), most=2) for number in (1, 2, 3)] == [[], [], [former(1)]]
    assert store.former_runs("default", "a") == [former(3), former(2)]
    assert store.keep(former(4), most=0) == [former(4), former(3), former(2)]
    assert store.former_runs() == [former(7, "other")]
    store.forget_history("default", "other")
    assert store.former_runs() == []


def test_numbers_count_the_runs_of_a_name_and_those_that_an_earlier_kfrun_started(store: Store) -> None:
    assert store.next_number("default", "one") == 1
    store.add_run(RUN)
    assert (store.next_number("default", "one"), store.next_number("default", "two")) == (2, 1)
    store.keep(former(5, "one"), most=9)
    store.change_run("uid-1", number=0)  # what a kfrun that knows of no numbers stores
    found = store.run("uid-1")
    assert found is not None
    assert (found.number, store.next_number("default", "one")) == (6, 7)


@pytest.mark.parametrize(
    ("pragma", "hint"), [("max_page_count=1", "free some space"), ("query_only=1", "it can be read"), ("", "put back")]
)
def test_what_to_do_is_known_by_the_code_of_the_error(store: Store, pragma: str, hint: str) -> None:
    store._db.execute(f"PRAGMA {pragma}" if pragma else "DROP TABLE counter")
    with pytest.raises(StoreFailed) as caught, store.writing():
        store.create(thing(filler="x" * 100_000))
    assert (caught.value.hint or "").startswith(hint)
