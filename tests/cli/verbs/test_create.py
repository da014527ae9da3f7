"""``kfrun create`` and ``kfrun replace``: what must be new, and what must be there."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.cli.manifests import JOB, RUNTIME
from tests.cli.verbs.test_selectors import line
from tests.conftest import manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Kfrun

    Line = Callable[..., tuple[int, str, str]]

__all__ = ["line"]

NAME = r"sweep-[bcdfghjklmnpqrstvwxz2456789]{5}"


def job(name: str = "job", command: str = "echo hello") -> str:
    return manifest(name, ["sh", "-c", command])


def unnamed(command: str = "echo hello") -> str:
    """A TrainJob with ``generateName``, and its runtime with a name."""
    return job("sweep", command).replace(
        "kind: TrainJob\nmetadata: {name: sweep}", "kind: TrainJob\nmetadata: {generateName: sweep-}"
    )


def test_what_is_new_is_created_and_what_is_there_is_refused(line: Line, kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", job())
    created = "trainingruntime.trainer.kubeflow.org/job created\ntrainjob.trainer.kubeflow.org/job created\n"
    assert line("create", "-q", "-f", "job.yaml") == (0, created, "")
    assert line("wait", "job")[0] == 0
    for again in (["-q"], ["--dry-run=client"]):
        code, out, err = line("create", *again, "job.yaml")
        assert (code, out) == (1, "")
        assert 'AlreadyExists: trainjobs.trainer.kubeflow.org "job" already exists\n' in err
        assert 'AlreadyExists: trainingruntimes.trainer.kubeflow.org "job" already exists' in err


def test_nothing_is_created_beside_what_is_there(line: Line, kfrun: Kfrun) -> None:
    kfrun.write("one.yaml", job("one"))
    kfrun.write("two.yaml", job("two"))
    assert line("create", "-q", "one.yaml")[0] == 0
    assert line("create", "-q", "two.yaml", "one.yaml")[0] == 1
    assert line("get", "tj", "-o", "name")[1] == "trainjob.trainer.kubeflow.org/one\n"


@pytest.mark.parametrize(("verb", "word"), [("create", "created"), ("replace", "replaced")])
def test_a_dry_run_says_what_would_be_done(line: Line, kfrun: Kfrun, verb: str, word: str) -> None:
    kfrun.write("job.yaml", job())
    if verb == "replace":
        assert line("apply", "-q", "--wait", "-f", "job.yaml")[0] == 0
    before = line("get", "tj", "-o", "yaml")
    dry = (verb, "-q", "--dry-run=client", "-f", "job.yaml")
    assert f"trainjob.trainer.kubeflow.org/job {word} (dry run)\n" in line(*dry)[1]
    runtime, trainjob = json.loads(line(*dry, "-o", "json")[1])["items"]
    assert (runtime["kind"], trainjob["spec"]["trainer"]) == ("TrainingRuntime", {"numNodes": 1})
    assert line(*dry, "-o", "name")[1].splitlines()[1] == "trainjob.trainer.kubeflow.org/job"
    assert line("get", "tj", "-o", "yaml") == before


def test_each_call_makes_a_name_of_generate_name_and_prints_it(line: Line, kfrun: Kfrun) -> None:
    runtime, _, own = unnamed().partition("---\n")
    kfrun.write("runtime.yaml", runtime)
    kfrun.write("job.yaml", own)
    assert line("create", "-q", "runtime.yaml")[0] == 0
    out = line("create", "-q", "-f", "job.yaml")[1]
    assert re.fullmatch(rf"trainjob\.trainer\.kubeflow\.org/{NAME} created\n", out)
    name = line("create", "-q", "-f", "job.yaml", "-o", "name")[1]
    assert re.fullmatch(rf"trainjob\.trainer\.kubeflow\.org/{NAME}\n", name)
    assert line("logs", "-f", name.strip())[1] == "hello\n"
    data = json.loads(line("create", "-q", "-f", "job.yaml", "-o", "json")[1])
    assert data["metadata"]["generateName"] == "sweep-"
    assert re.fullmatch(NAME, data["metadata"]["name"])
    assert data["metadata"]["uid"]
    assert len(line("get", "tj", "-o", "name")[1].split()) == 3


@pytest.mark.parametrize("verb", ["apply", "run", "plan", "diff", "validate", "render", "replace"])
def test_other_verbs_say_who_takes_generate_name(home, verb: str) -> None:  # type: ignore[no-untyped-def]
    home.path.parent.joinpath("job.yaml").write_text(JOB.replace("name: mnist", "generateName: mnist-"))
    done = home(verb, "-f", "job.yaml")
    assert done.code == (3 if verb == "diff" else 1), done.err
    assert "KF203" in done.out + done.err
    assert "generateName is for kfrun create -f" in done.out + done.err


@pytest.mark.parametrize(("base", "code"), [("Bad_", "KF301"), ("5", "KF202"), ("''", "KF203")])
def test_a_base_of_a_name_is_checked_where_it_stands(home, base: str, code: str) -> None:  # type: ignore[no-untyped-def]
    home.path.parent.joinpath("job.yaml").write_text(JOB.replace("name: mnist", f"generateName: {base}", 1))
    done = home("create", "--dry-run=client", "-f", "job.yaml")
    assert (done.code, code in done.err) == (1, True)
    assert "job.yaml:" in done.err


def test_a_base_that_is_too_long_is_cut_as_a_cluster_does(home) -> None:  # type: ignore[no-untyped-def]
    home.path.parent.joinpath("job.yaml").write_text(JOB.replace("name: mnist", f"generateName: {'x' * 80}", 1))
    done = home("create", "--dry-run=client", "-f", "job.yaml")
    (name,) = re.findall(r"trainjob\S+/(x+\w{5}) created", done.out)
    assert (done.code, len(name)) == (0, 63)
    assert "job.yaml:4:17: warning KF351" in done.err


def test_a_name_wins_over_its_base(home) -> None:  # type: ignore[no-untyped-def]
    text = RUNTIME.replace("name: mine", "name: mine\n  generateName: other-", 1)
    home.path.parent.joinpath("runtime.yaml").write_text(text)
    assert home.ok("create", "-q", "runtime.yaml") == "trainingruntime.trainer.kubeflow.org/mine created\n"


def test_what_is_not_there_cannot_be_replaced_but_by_force(line: Line, kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", job())
    code, out, err = line("replace", "-f", "job.yaml")
    assert (code, out) == (1, "")
    assert 'trainjobs.trainer.kubeflow.org "job" not found\n' in err
    assert "kfrun create -f" in err
    assert "trainjob.trainer.kubeflow.org/job created\n" in line("replace", "--force", "-q", "-f", "job.yaml")[1]


def test_a_finished_job_is_replaced_and_starts_anew(line: Line, kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", job())
    assert line("create", "-q", "job.yaml")[0] == line("wait", "job")[0] == 0
    uid = line("get", "tj", "job", "-o", "jsonpath={.metadata.uid}")[1]
    assert "trainjob.trainer.kubeflow.org/job replaced\n" in line("replace", "-q", "job.yaml")[1]
    assert line("wait", "job")[0] == 0
    assert line("get", "tj", "job", "-o", "jsonpath={.metadata.uid}")[1] != uid
    assert line("logs", "job", "--run", "1")[1] == "hello\n"


def test_a_running_job_is_replaced_by_force_only(line: Line, kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", job(command="echo up; sleep 60"))
    assert line("create", "-q", "job.yaml")[0] == 0
    code, _, err = line("replace", "-q", "job.yaml")
    assert (code, "KF502" in err, "--force stops it and starts it anew" in err) == (1, True, True)
    kfrun.write("job.yaml", job(command="echo hello"))
    assert "trainjob.trainer.kubeflow.org/job replaced\n" in line("replace", "-q", "--force", "job.yaml")[1]
    assert line("logs", "-f", "job")[1] == "hello\n"


@pytest.mark.parametrize("word", ["edit", "patch", "scale", "label", "annotate"])
def test_what_is_changed_in_manifests_is_said(home, word: str) -> None:  # type: ignore[no-untyped-def]
    done = home(word, "trainjob", "mnist")
    assert done.code == 2
    assert "kfrun apply" in done.err
