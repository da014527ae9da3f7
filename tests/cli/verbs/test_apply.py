from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.conftest import manifest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

SECRET = "hunter2"


def write(kfrun: Kfrun, **more: str) -> Path:
    """A job that runs a script of the project, with a secret in its variables."""
    kfrun.write("train.py", "print('trained')\n")
    env = f"  trainer: {{numNodes: 1, env: [{{name: HF_TOKEN, value: {SECRET}}}]}}"
    text = manifest("job", ["python3", "-S", "train.py"]).replace("  trainer: {numNodes: 1}", env)
    return kfrun.write("job.yaml", text)


def planned(kfrun: Kfrun, *arguments: str) -> dict:
    kfrun.ok("plan", "-f", "job.yaml", "--out", "plan.json", *arguments)
    return json.loads((kfrun.folder / "plan.json").read_text())


def refused(kfrun: Kfrun, *arguments: str) -> str:
    """The reason; nothing was applied."""
    before = kfrun("get", "trainjobs", "-o", "name").stdout
    done = kfrun("apply", "plan.json", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert kfrun("get", "trainjobs", "-o", "name").stdout == before
    return done.stderr


def test_a_saved_plan_is_applied_from_any_folder(kfrun: Kfrun) -> None:
    write(kfrun)
    done = kfrun("plan", "-f", "job.yaml", "--out", "plan.json")
    assert "Plan: 2 to create." in done.stdout
    assert done.stderr == "saved as plan.json: kfrun apply plan.json does exactly this\n"
    assert (kfrun.folder / "plan.json").stat().st_mode & 0o777 == 0o600
    path = kfrun.folder / "plan.json"
    kfrun.folder = kfrun.folder / "elsewhere"
    kfrun.folder.mkdir()
    assert kfrun.ok("apply", "-q", "--wait", path).splitlines() == [
        "trainingruntime.trainer.kubeflow.org/job created",
        "trainjob.trainer.kubeflow.org/job created",
    ]
    assert kfrun.ok("logs", "job", "--no-prefix") == "trained\n"


def test_a_manifest_is_an_argument_as_a_plan_is(kfrun: Kfrun) -> None:
    assert "created" in kfrun.ok("apply", "-q", "--wait", write(kfrun))


def test_a_plan_holds_references_and_digests_but_no_contents(kfrun: Kfrun) -> None:
    path = write(kfrun)
    data = planned(kfrun)
    text = json.dumps(data)
    assert SECRET not in text
    assert "trained" not in text
    assert set(data["sources"]) == {str(path), str(kfrun.folder / "train.py")}
    assert data["formatVersion"] == 1


def test_a_changed_manifest_is_refused(kfrun: Kfrun) -> None:
    path = write(kfrun)
    planned(kfrun)
    path.write_text(path.read_text().replace(SECRET, "hunter3"))
    message = refused(kfrun)
    assert f"{path} was changed since the plan was made" in message
    assert "hunter" not in message


def test_changed_code_is_refused(kfrun: Kfrun) -> None:
    write(kfrun)
    planned(kfrun)
    path = kfrun.write("train.py", "print('something else')\n")
    assert f"{path} was changed since the plan was made" in refused(kfrun)


def test_a_file_that_came_into_the_folder_is_refused(kfrun: Kfrun) -> None:
    (kfrun.folder / "jobs").mkdir()
    kfrun.write("jobs/a.yaml", manifest("a", ["true"]))
    kfrun.ok("plan", "-f", "jobs", "--out", "plan.json")
    kfrun.write("jobs/b.yaml", manifest("b", ["true"]))
    assert "b.yaml has come since the plan was made" in refused(kfrun)


def test_what_was_stored_since_is_refused(kfrun: Kfrun) -> None:
    path = write(kfrun)
    planned(kfrun)
    kfrun.ok("apply", "-q", "--wait", "-f", path)
    assert "was changed in the store since the plan was made" in refused(kfrun)


def test_a_job_that_goes_on_training_does_not_spoil_a_plan(kfrun: Kfrun) -> None:
    text = manifest("job", ["sleep", "60"])
    kfrun.write("job.yaml", text)
    kfrun.ok("apply", "-q", "-f", "job.yaml")
    kfrun.write(
        "job.yaml",
        text.replace(
            "metadata: {name: job}\nspec:\n  runtimeRef", "metadata: {name: job, labels: {a: b}}\nspec:\n  runtimeRef"
        ),
    )
    planned(kfrun)
    assert "trainjob.trainer.kubeflow.org/job configured" in kfrun.ok("apply", "-q", "plan.json")
    assert "changed in the store" in refused(kfrun)


def test_values_are_read_again_and_set_has_to_be_repeated(kfrun: Kfrun) -> None:
    text = manifest("job", ["echo", "{{ word }}", "{{ token }}"])
    kfrun.write("job.yaml.j2", text)
    values = kfrun.write("values.yaml", "word: one\n")
    arguments = ("-f", "job.yaml.j2", "--values", "values.yaml", "--set-string", f"token={SECRET}")
    kfrun.ok("plan", *arguments, "--out", "plan.json")
    saved = json.loads((kfrun.folder / "plan.json").read_text())
    assert str(values) in saved["sources"]
    assert saved["call"]["set_digest"]
    assert "other --set" in refused(kfrun)
    assert "other --set" in refused(kfrun, "--set-string", "token=x")
    values.write_text("word: two\n")
    assert "values.yaml was changed" in refused(kfrun, "--set-string", f"token={SECRET}")
    values.write_text("word: one\n")
    kfrun.ok("apply", "-q", "--wait", "plan.json", "--set-string", f"token={SECRET}")
    assert kfrun.ok("logs", "job", "--no-prefix") == f"one {SECRET}\n"


def test_fields_that_are_not_known_are_ignored(kfrun: Kfrun) -> None:
    write(kfrun)
    data = planned(kfrun) | {"new": 1}
    data["call"]["new"] = [1]
    kfrun.write("plan.json", json.dumps(data))
    kfrun.ok("apply", "-q", "--wait", "plan.json")


def test_a_plan_that_was_tampered_with_is_refused(kfrun: Kfrun) -> None:
    write(kfrun)
    data = planned(kfrun)
    data["plan"]["actions"].pop()
    kfrun.write("plan.json", json.dumps(data))
    assert "does not say what would be done" in refused(kfrun)


def test_what_is_no_plan_is_refused(kfrun: Kfrun) -> None:
    write(kfrun)
    text = json.dumps(planned(kfrun))
    kfrun.write("plan.json", text[: len(text) // 2])
    assert "kfrun plan --out FILE makes one" in refused(kfrun)
    kfrun.write("plan.json", "{}")
    assert 'plan.json:1:1: error KF203: required field "kind" is missing' in refused(kfrun)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["plan.json", "-f", "job.yaml"], 2),
        (["plan.json", "-n", "x"], 2),
        (["plan.json", "--replace"], 2),
        (["plan.json", "--values", "v.yaml"], 2),
        (["nowhere.json"], 1),
    ],
)
def test_a_plan_brings_its_own_flags(kfrun: Kfrun, arguments: list[str], code: int) -> None:
    write(kfrun)
    planned(kfrun)
    assert kfrun("apply", *arguments).returncode == code


def test_what_is_refused_is_not_saved_and_a_pipe_cannot_be(kfrun: Kfrun) -> None:
    text = write(kfrun).read_text()
    assert kfrun("plan", "-f", "-", "--out", "plan.json", stdin=text).returncode == 2
    assert kfrun("plan", "-f", "job.yaml", "--backend", "docker", "--out", "plan.json").returncode in (1, 2)
    assert not (kfrun.folder / "plan.json").exists()
    assert kfrun("plan", "-f", "job.yaml", "--out", "nowhere/plan.json").returncode == 2


@pytest.mark.parametrize("flags", [(), ("--dry-run=client",)])
def test_a_backend_that_is_not_offered_here_is_refused_before_anything_is_done(
    kfrun: Kfrun, flags: tuple[str, ...]
) -> None:
    write(kfrun)
    path = kfrun.folder / "job.yaml"
    before, _, after = path.read_text().rpartition("{name: job}")
    path.write_text(f"{before}{{name: job, annotations: {{kfrun.dev/backend: docker}}}}{after}")
    done = kfrun("apply", *flags, "-f", "job.yaml")
    assert done.returncode == 1
    assert 'error KF506: backend "docker" is not available' in done.stderr
    assert kfrun("get", "trainjobs", "-o", "name").stdout == ""
    assert kfrun("apply", *flags, "--backend", "process", "--wait", "-f", "job.yaml").returncode == 0


def test_a_timeout_of_following_is_not_ignored(kfrun: Kfrun) -> None:
    done = kfrun("apply", "--follow", "--timeout", "1s", "-f", write(kfrun))
    assert (done.returncode, "--timeout goes with --wait" in done.stderr) == (2, True)
