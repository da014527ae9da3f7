from __future__ import annotations

import pytest

from kfrun import settings
from kfrun.errors import NotFound, UsageProblem
from kfrun.execute.local.backend import LocalBackend
from kfrun.observe import selection
from kfrun.observe.selection import Selection
from kfrun.observe.store import Store
from tests.observe.runs import START, event, trainjob

LABELS = {"app": "mnist", "tier": "gold", "a.b/c": "d", "empty": ""}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("app=mnist", True),
        ("app==mnist", True),
        ("app = other", False),
        ("app!=other", True),
        ("missing!=x", True),
        ("app!=mnist", False),
        ("tier in (gold, silver)", True),
        ("tier in (silver)", False),
        ("tier notin (silver,bronze)", True),
        ("missing notin (x)", True),
        ("missing in (x)", False),
        ("app", True),
        ("!app", False),
        ("!missing", True),
        ("a.b/c=d", True),
        ("empty=", True),
        ("app=", False),
        ("app=mnist,tier in (gold,silver),!missing", True),
        ("app=mnist,tier=silver", False),
    ],
)
def test_selectors(text, holds):
    assert all(term.holds(LABELS) for term in selection.parse_selector(text)) is holds


@pytest.mark.parametrize("text", ["=x", "a b", "a in b", "a in (b", "a=b=c", "-a", "a=(b)", "!"])
def test_wrong_selectors_are_refused(text):
    with pytest.raises(UsageProblem, match="no label selector"):
        selection.parse_selector(text)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "kfrun.db") as found:
        found.create(trainjob("mnist"))
        found.create(trainjob("bert", namespace="nlp"))
        yield found


@pytest.fixture
def objects(store, tmp_path):
    return LocalBackend(store, settings.load({}, {"KFRUN_HOME": str(tmp_path)}, tmp_path))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnits", "did you mean mnist?"),
        ("bert", "there is one in namespace nlp: add -n nlp"),
        ("zzz", "kfrun get trainjobs lists what there is"),
    ],
)
def test_missing_object_is_told_with_the_likeliest_reason(objects, name, hint):
    with pytest.raises(NotFound, match=f'trainjob "{name}" not found in namespace "default"') as caught:
        selection.get(objects, "TrainJob", "default", name)
    assert caught.value.hint == hint


def test_events_become_objects(store, objects):
    store.record(
        [
            event(trainjob("mnist"), "Created", "made", last=START),
            event(trainjob("mnist"), "Created", "made", last=START + 60),
        ]
    )
    (found,) = objects.objects(Selection("Event", "default"))
    assert found.data["count"] == 2
    assert (found.data["firstTimestamp"], found.data["lastTimestamp"]) == (
        "2027-01-15T08:00:00Z",
        "2027-01-15T08:01:00Z",
    )
    assert found.data["involvedObject"]["name"] == "mnist"
    assert selection.get(objects, "Event", "default", found.key.name).data == found.data
    assert objects.objects(Selection("Event", "nlp")) == []
