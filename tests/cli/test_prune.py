from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.conftest import eventually, manifest

if TYPE_CHECKING:
    from tests.conftest import Kfrun

SET = ("--apply-set", "team")


def write(kfrun: Kfrun, *names: str, file: str = "jobs.yaml", command: str = "true") -> str:
    kfrun.write(
        file, "---\n".join(manifest(name, [command] if command == "true" else ["sleep", "60"]) for name in names)
    )
    return file


def stored(kfrun: Kfrun) -> set[str]:
    kinds = "trainjobs,trainingruntimes"
    return {line.rpartition("/")[2] for line in kfrun.ok("get", kinds, "-o", "name").splitlines()}


def members(kfrun: Kfrun, name: str = "team") -> set[str]:
    with kfrun.store() as store:
        found = store.find("ApplySet", "default", name)
    assert found is not None
    assert all(item["uid"] for item in found.data["spec"]["members"])
    return {item["name"] for item in found.data["spec"]["members"]}


def test_what_left_the_input_is_shown_in_the_plan_and_deleted(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", *SET, "-f", write(kfrun, "a", "b"))
    assert members(kfrun) == {"a", "b"}
    write(kfrun, "a")
    shown = kfrun.ok("plan", "-f", "jobs.yaml", *SET, "--prune")
    assert '- trainjob.trainer.kubeflow.org/b: no longer in the input of apply set "team"; finished: Complete' in shown
    assert shown.endswith("Plan: 2 to delete, 2 unchanged.\n")
    assert stored(kfrun) == {"a", "b"}
    done = kfrun("apply", "-f", "jobs.yaml", *SET, "--prune")
    assert done.returncode == 0
    assert "no longer in the input" in done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "trainjob.trainer.kubeflow.org/b deleted",
        "trainingruntime.trainer.kubeflow.org/b deleted",
    ]
    assert stored(kfrun) == members(kfrun) == {"a"}
    assert "Nothing to do" in kfrun.ok("plan", "-f", "jobs.yaml", *SET, "--prune")


def test_a_running_job_is_stopped(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", *SET, "-f", write(kfrun, "a", "b", command="sleep"))
    write(kfrun, "a", command="sleep")
    kfrun.ok("apply", "-q", "-f", "jobs.yaml", *SET, "--prune")
    eventually(lambda: stored(kfrun) == {"a"})
    eventually(lambda: str(kfrun.processes()).count("sleep 60") == 1)


def test_without_prune_nothing_goes_and_a_later_prune_still_knows(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", *SET, "-f", write(kfrun, "a", "b"))
    kfrun.ok("apply", "-q", *SET, "-f", write(kfrun, "a"))
    assert stored(kfrun) == members(kfrun) == {"a", "b"}
    kfrun.ok("apply", "-q", *SET, "--prune", "-f", write(kfrun, "a"))
    assert stored(kfrun) == {"a"}


def test_what_was_applied_without_the_set_is_left_alone(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", "-f", write(kfrun, "other", file="other.yaml"))
    kfrun.ok("apply", "-q", "--wait", *SET, "-f", write(kfrun, "a"))
    kfrun.ok("apply", "-q", "--wait", *SET, "--prune", "-f", write(kfrun, "b"))
    assert stored(kfrun) == {"b", "other"}


def test_two_sets_do_not_touch_each_other(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", *SET, "-f", write(kfrun, "a"))
    kfrun.ok("apply", "-q", "--wait", "--apply-set", "rivals", "-f", write(kfrun, "b"))
    kfrun.ok("apply", "-q", "--wait", "--apply-set", "rivals", "--prune", "-f", write(kfrun, "c"))
    assert stored(kfrun) == {"a", "c"}
    done = kfrun("apply", "-q", "--apply-set", "rivals", "--prune", "-f", write(kfrun, "a", "c"))
    assert done.returncode == 1
    assert 'belongs to apply set "team"' in done.stderr
    assert "KF507" in done.stderr
    assert members(kfrun) == {"a"}
    assert members(kfrun, "rivals") == {"c"}


def test_a_namesake_that_somebody_else_created_is_left_alone(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", *SET, "-f", write(kfrun, "a", "b"))
    kfrun.ok("delete", "trainjob", "b")
    kfrun.ok("apply", "-q", "--wait", "-f", write(kfrun, "b", file="theirs.yaml"))
    write(kfrun, "a")
    assert "left alone" in kfrun.ok("plan", "-f", "jobs.yaml", *SET, "--prune")
    kfrun.ok("apply", "-q", *SET, "--prune", "-f", "jobs.yaml")
    assert "trainjob.trainer.kubeflow.org/b" in kfrun.ok("get", "trainjobs", "-o", "name")


def test_what_was_deleted_by_hand_is_no_trouble(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", *SET, "-f", write(kfrun, "a", "b"))
    kfrun.ok("delete", "-f", "jobs.yaml")
    kfrun.ok("apply", "-q", "--wait", *SET, "--prune", "-f", write(kfrun, "a"))
    assert stored(kfrun) == members(kfrun) == {"a"}


def test_what_was_deleted_may_be_applied_with_another_set(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", *SET, "-f", write(kfrun, "a"))
    kfrun.ok("delete", "-f", "jobs.yaml")
    kfrun.ok("apply", "-q", "--wait", "--apply-set", "rivals", "-f", "jobs.yaml")
    assert members(kfrun, "rivals") == {"a"}
    assert kfrun("apply", "-q", *SET, "-f", "jobs.yaml").returncode == 1


def test_a_saved_plan_prunes_what_it_showed_and_nothing_else(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", *SET, "-f", write(kfrun, "a", "b"))
    kfrun.ok("plan", "-f", write(kfrun, "a"), *SET, "--prune", "--out", "plan.json")
    saved = json.loads((kfrun.folder / "plan.json").read_text())
    assert [item["type"] for item in saved["plan"]["actions"]].count("DeleteJob") == 1
    kfrun.ok("apply", "-q", "plan.json")
    assert stored(kfrun) == {"a"}
    assert kfrun("apply", "-q", "plan.json").returncode == 1


@pytest.mark.parametrize(
    "arguments", [["--prune"], ["--apply-set", "No Name"], ["--apply-set", "../x", "--prune"], ["--apply-set", ""]]
)
def test_prune_needs_the_name_of_a_set(kfrun: Kfrun, arguments: list[str]) -> None:
    write(kfrun, "a")
    assert kfrun("plan", "-f", "jobs.yaml", *arguments).returncode == 2
    assert kfrun("apply", "-f", "jobs.yaml", *arguments).returncode == 2
    assert kfrun.ok("get", "trainjobs") == ""


def test_what_could_not_be_started_was_not_applied_as_a_set(kfrun: Kfrun) -> None:
    file = write(kfrun, "a")
    done = kfrun("apply", "--apply-set", "one", "--python", "/nowhere/python", "-f", file)
    assert (done.returncode, "there is no such interpreter" in done.stderr) == (2, True)
    kfrun.ok("apply", "--apply-set", "two", "--wait", "-f", file)
    assert members(kfrun, "two") == {"a"}
    again = kfrun("apply", "--apply-set", "two", "--python", "/nowhere/python", "-f", file)
    assert again.returncode == 2, "a flag that names nothing is told, though nothing is started"
