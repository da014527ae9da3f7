from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from kfrun.model.source import ObjectKey
from tests.conftest import eventually
from tests.observe.runs import START, event, trainjob

JOB = trainjob("mnist")
POD = ObjectKey("v1", "Pod", "default", "mnist-node-0-0-a")


@pytest.fixture
def told(home):
    home.store.create(JOB)
    home.store.create(trainjob("other"))
    home.store.record(
        [
            event(JOB, "Late", "third", last=START + 20),
            event(JOB, "Early", "first", last=START),
            event(JOB, "Killing", "second", last=START + 10, key=POD, type="Warning"),
            event(trainjob("other"), "Else", "of another job", last=START + 5),
            event(trainjob("far", namespace="nlp"), "Far", "away", last=START),
        ]
    )
    return home


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["Early", "Else", "Killing", "Late"]),
        (["mnist"], ["Early", "Killing", "Late"]),
        (["--for", "pod/mnist-node-0-0-a"], ["Killing"]),
        (["--for", "tj/mnist"], ["Early", "Killing", "Late"]),
        (["--for", "pods"], ["Killing"]),
        (["--types", "Warning"], ["Killing"]),
        (["-n", "nlp"], ["Far"]),
    ],
)
def test_events_by_time(told, arguments, expected):
    text = told.ok("events", *arguments)
    assert text.startswith("LAST SEEN   TYPE")
    assert [line.split()[2] for line in text.splitlines()[1:]] == expected


def test_all_namespaces(told):
    assert told.ok("events", "-A").splitlines()[0].startswith("NAMESPACE")
    assert len(told.ok("events", "-A", "--no-headers").splitlines()) == 5


def test_json(told):
    items = json.loads(told.ok("events", "mnist", "-o", "json"))["items"]
    assert [item["reason"] for item in items] == ["Early", "Killing", "Late"]


def test_no_events(home):
    done = home("events")
    assert (done.code, done.out, done.err) == (0, "", "No events found in default namespace.\n")
    assert home("events", "nope").code == 1


def test_watch_prints_what_happens(told):
    process = subprocess.Popen(
        [sys.executable, "-m", "kfrun", "events", "mnist", "-w"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "KFRUN_HOME": str(told.path)},
    )  # fmt: skip
    os.set_blocking(process.stdout.fileno(), False)
    text = bytearray()

    def saw(wanted):
        def look():
            text.extend(process.stdout.read() or b"")
            return wanted in text

        eventually(look, what=f"{wanted!r}")

    saw(b"third")
    told.store.record([event(JOB, "New", "fourth", last=START + 30)])
    saw(b"fourth")
    told.store.record([event(JOB, "New", "fourth", last=START + 40)])
    saw(b"x2")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert len(text.splitlines()) == 6
