from __future__ import annotations

import threading
import time

import pytest

from kfrun.observe import watch
from kfrun.observe.store import Store
from tests.observe.runs import add, condition, trainjob


@pytest.fixture
def stores(tmp_path):
    """Two processes' view of one database: a writer and a watcher."""
    with Store.open(tmp_path / "kfrun.db") as writer, Store.open(tmp_path / "kfrun.db") as watcher:
        yield writer, watcher


def find(store, name="mnist"):
    return store.find("TrainJob", "default", name)


def test_what_holds_already_is_answered_without_a_pause(stores):
    assert watch.wait(stores[1], lambda: "there", pause=pytest.fail) == "there"


def test_nothing_is_read_while_nothing_changes(stores):
    writer, watcher = stores
    looks, pauses = [], []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 10:
            writer.create(trainjob())

    answer = watch.wait(watcher, lambda: looks.append(1) or find(watcher), pause=pause)
    assert answer.key.name == "mnist"
    assert (len(looks), len(pauses)) == (2, 10)
    assert all(0 < seconds <= 0.05 for seconds in pauses)


def test_time_out_answers_none_after_a_last_look(stores):
    start = time.monotonic()
    assert watch.wait(stores[1], lambda: None, timeout=0.12) is None
    assert 0.12 <= time.monotonic() - start < 1.0


def test_time_out_of_zero_looks_once(stores):
    assert watch.wait(stores[1], lambda: find(stores[1]), timeout=0, pause=pytest.fail) is None


def test_change_is_noticed_soon(stores, tmp_path):
    times = {}

    def work():
        with Store.open(tmp_path / "kfrun.db") as store:
            store.create(trainjob())
            times["written"] = time.monotonic()

    worker = threading.Thread(target=work)
    worker.start()
    assert watch.wait(stores[1], lambda: find(stores[1]), timeout=10) is not None
    seen = time.monotonic()
    worker.join()
    assert seen - times["written"] < 1


def test_supervisors_are_healed_now_and_then(stores, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    healed = []

    def pause(_):
        now[0] += 0.5

    watch.wait(stores[1], lambda: None, timeout=7.0, heal=lambda: healed.append(now[0]), pause=pause)
    assert healed == [2.0, 4.0, 6.0]


def test_run_end_follows_the_run(stores, tmp_path):
    writer, watcher = stores
    add(writer, trainjob(), tmp_path, ended=False)
    end = watch.RunEnd(watcher, "uid-default-mnist")
    assert not end()
    writer.change_run("uid-default-mnist", ended=1)
    assert (end(), end.deleted) == (True, False)


def test_deleted_run_has_ended(stores, tmp_path):
    writer, watcher = stores
    add(writer, trainjob(), tmp_path, ended=False)
    end = watch.RunEnd(watcher, "uid-default-mnist")
    assert not end()
    writer.forget("uid-default-mnist")
    assert (end(), end.deleted) == (True, True)


def test_feed_tells_additions_changes_and_deletions(stores):
    writer, _ = stores
    feed = watch.ObjectFeed()

    def news():
        return [(item.type, item.object.key.name) for item in feed.update(writer.objects("TrainJob"))]

    writer.create(trainjob("a"))
    writer.create(trainjob("b"))
    assert news() == [("ADDED", "a"), ("ADDED", "b")]
    assert news() == []
    writer.update(trainjob("b", condition("Complete", "x")))
    writer.delete("TrainJob", "default", "a")
    assert news() == [("MODIFIED", "b"), ("DELETED", "a")]


def test_feed_is_silent_on_objects_stored_anew_unchanged(stores):
    writer, _ = stores
    writer.create(trainjob("a"))
    feed = watch.ObjectFeed()
    feed.update(writer.objects("TrainJob"))
    writer.update(trainjob("a"))
    assert feed.update(writer.objects("TrainJob")) == []


def test_feed_tells_a_replaced_object_from_a_changed_one(stores):
    writer, _ = stores
    writer.create(trainjob("a"))
    feed = watch.ObjectFeed()
    feed.update(writer.objects("TrainJob"))
    writer.delete("TrainJob", "default", "a")
    writer.create(trainjob("a", metadata={"uid": "another"}))
    assert [item.type for item in feed.update(writer.objects("TrainJob"))] == ["DELETED", "ADDED"]
