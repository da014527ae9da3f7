from __future__ import annotations

from kfrun.model.change import Plan
from kfrun.model.source import ObjectKey
from kfrun.plan import prune

TRAINER = "trainer.kubeflow.org/v1alpha1"
SET = prune.key_of("default", "team")


def runtime(name):
    return ObjectKey(TRAINER, "TrainingRuntime", "default", name)


def apply_set(*members, uids):
    found = tuple(prune.Member(runtime(name), uid) for name, uid in members)
    return prune.ApplySet(SET, found, {runtime(name): uid for name, uid in uids.items()}, {}, {})


def deleted(chosen):
    plan = prune.with_set(Plan(), chosen, [], prune=True)
    return {action.key.name: type(action).__name__ for action in plan.actions}


def test_only_what_the_set_itself_applied_is_deleted():
    chosen = apply_set(
        ("same", "1"), ("anew", "2"), ("gone", "3"), uids={"same": "1", "anew": "9", "stranger": "4"}
    )  # fmt: skip
    assert deleted(chosen) == {"same": "DeleteObject", "anew": "Unchanged"}


def test_what_was_about_to_be_created_when_an_apply_died_is_the_sets():
    assert deleted(apply_set(("half", ""), uids={"half": "1"})) == {"half": "DeleteObject"}


def test_without_prune_nothing_is_deleted_and_members_that_are_there_stay():
    chosen = apply_set(("a", "1"), ("b", "2"), ("gone", "3"), uids={"a": "1", "b": "9"})
    assert prune.with_set(Plan(), chosen, [], prune=False).actions == ()
    assert [member.key.name for member in prune.kept(chosen, [], prune=False)] == ["a"]
    assert prune.kept(chosen, [runtime("a")], prune=False) == ()
    assert prune.kept(chosen, [], prune=True) == ()


def test_the_stored_form_is_read_back():
    members = (prune.Member(runtime("a"), "1"), prune.Member(runtime("b"), ""))
    data = prune.to_object(SET, reversed(members))
    assert (data["kind"], data["metadata"]) == ("ApplySet", {"name": "team", "namespace": "default"})
    assert prune.members_of(data) == members
