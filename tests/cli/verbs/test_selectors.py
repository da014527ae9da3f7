"""Jobs that are meant by labels, or all of them, instead of by their names; at every place where jobs run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kfrun.cli import main
from kfrun.execute import memory
from kfrun.execute.memory import MemoryBackend
from tests.conftest import eventually, manifest
from tests.execute.places import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Kfrun

    Line = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=["process", "memory"])
def line(request: pytest.FixtureRequest, kfrun: Kfrun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """Command lines at a place: their code, what they print and what they say."""
    if request.param == "process":

        def call(*arguments: str) -> tuple[int, str, str]:
            done = kfrun(*arguments)
            return done.returncode, done.stdout, done.stderr

        yield call
        return
    capture = request.getfixturevalue("capfdbinary")
    place = MemoryBackend(play)
    monkeypatch.setattr(memory, "shared", lambda: place)
    monkeypatch.setenv("KFRUN_HOME", str(kfrun.home))
    monkeypatch.setenv("KFRUN_BACKEND", "memory")
    monkeypatch.chdir(kfrun.folder)

    def run(*arguments: str) -> tuple[int, str, str]:
        capture.readouterr()
        code = main.run(arguments)
        found = capture.readouterr()
        return code, found.out.decode(), found.err.decode()

    yield run


def labelled(name: str, command: str, app: str, namespace: str = "default", **more: int) -> str:
    labels = f"{{name: {name}, namespace: {namespace}, labels: {{app: {app}}}}}"
    return manifest(name, ["sh", "-c", command], **more).replace(f"{{name: {name}}}", labels)  # type: ignore[arg-type]


@pytest.fixture
def jobs(line: Line, kfrun: Kfrun) -> Line:
    """The jobs ``one`` and ``two`` with the label app=a, ``three`` with app=b; all have ended."""
    for name, app in (("one", "a"), ("two", "a"), ("three", "b")):
        kfrun.write(f"{name}.yaml", labelled(name, f"echo hello from {name}", app))
        assert line("apply", "-q", "--wait", "-f", f"{name}.yaml")[0] == 0
    return line


@pytest.fixture
def sleepers(line: Line, kfrun: Kfrun) -> Line:
    """The same, all running."""
    for name, app in (("one", "a"), ("two", "a"), ("three", "b")):
        kfrun.write(f"{name}.yaml", labelled(name, "echo up; sleep 60", app))
        assert line("apply", "-q", "-f", f"{name}.yaml")[0] == 0
    for name in ("one", "two", "three"):
        eventually(lambda name=name: line("logs", name)[1] == "up\n")
    return line


def states(line: Line) -> dict[str, str]:
    rows = line("get", "trainjobs", "--no-headers")[1].splitlines()
    return {row.split()[0]: row.split()[1] for row in rows}


@pytest.mark.parametrize("selector", ["app=a", "app==a", "app in (a, c)", "app!=b", "app notin (b),app"])
def test_the_logs_of_several_jobs_say_whose_they_are(jobs: Line, selector: str) -> None:
    code, out, err = jobs("logs", "-l", selector)
    assert (code, sorted(out.splitlines()), err) == (
        0, ["[one/node-0] hello from one", "[two/node-0] hello from two"], "",
    )  # fmt: skip


def test_logs_of_one_job_by_its_label_are_its_logs(jobs: Line) -> None:
    assert jobs("logs", "-l", "app=b") == (0, "hello from three\n", "")
    assert jobs("logs", "-l", "app=b", "--prefix")[1] == "[node-0] hello from three\n"
    assert jobs("logs", "-l", "app=a", "--prefix=false")[1].count("hello from") == 2


def test_previous_logs_of_several_jobs_are_those_that_there_are(jobs: Line) -> None:
    code, _, err = jobs("logs", "-l", "app=a", "-p")
    assert (code, err.count("there are no previous logs")) == (1, 3)
    assert jobs("replace", "-q", "one.yaml")[0] == jobs("wait", "one")[0] == 0
    code, out, err = jobs("logs", "-l", "app=a", "-p")
    assert (code, out) == (0, "[one/node-0] hello from one\n")
    assert err.startswith("two: there are no previous logs")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--environment"], "there is no installer's output of one, two"),
        (["-c", "none"], "there are no such logs of one, two"),
        (["--run", "7"], "there are no logs of one, two"),
    ],
)
def test_logs_that_none_of_several_jobs_has_are_an_error(jobs: Line, asked: list[str], message: str) -> None:
    code, out, err = jobs("logs", "-l", "app=a", *asked)
    assert (code, out) == (1, "")
    assert message in err


def test_labels_are_completed(jobs: Line, monkeypatch: pytest.MonkeyPatch, kfrun: Kfrun) -> None:
    def offered(text: str) -> list[str]:
        line = f"kfrun logs -l {text}"
        monkeypatch.setenv("_KFRUN_COMPLETE", line)
        monkeypatch.setitem(kfrun.env, "_KFRUN_COMPLETE", line)
        return [row.partition("\t")[2] for row in jobs()[1].splitlines()]

    assert offered("ap") == ["app=a", "app=b"]
    assert offered("tier=x,app=a") == ["tier=x,app=a"]


def test_logs_go_by_labels_of_pods_where_no_job_has_them(jobs: Line) -> None:
    assert jobs("logs", "-l", "jobset.sigs.k8s.io/jobset-name=two") == (0, "hello from two\n", "")


def test_of_what_labels_choose_the_last_ten_lines_are_shown(line: Line, kfrun: Kfrun) -> None:
    kfrun.write("many.yaml", labelled("many", "; ".join(f"echo line {n}" for n in range(12)), "a"))
    assert line("apply", "-q", "--wait", "-f", "many.yaml")[0] == 0
    assert len(line("logs", "many")[1].splitlines()) == 12
    assert line("logs", "-l", "app=a")[1].splitlines()[0] == "line 2"
    assert len(line("logs", "-l", "app=a", "--tail=-1")[1].splitlines()) == 12


def test_several_jobs_are_followed_to_the_end_of_the_last(line: Line, kfrun: Kfrun) -> None:
    for name, seconds in (("one", 0.1), ("two", 0.6)):
        kfrun.write(f"{name}.yaml", labelled(name, f"echo up; sleep {seconds}; echo end of {name}", "a", nodes=2))
        assert line("apply", "-q", "-f", f"{name}.yaml")[0] == 0
    code, out, _ = line("logs", "-f", "-l", "app=a")
    assert code == 0
    assert {f"[{name}/node-{n}] end of {name}" for name in ("one", "two") for n in (0, 1)} <= set(out.splitlines())


@pytest.mark.parametrize("verb", ["logs", "describe", "events", "delete", "stop", "suspend", "resume", "get"])
def test_where_nothing_has_the_labels_it_is_said(jobs: Line, verb: str) -> None:
    assert jobs(verb, *(["trainjobs"] if verb == "get" else []), "-l", "app=none") == (
        0, "", "No resources found in default namespace.\n",
    )  # fmt: skip


def test_waiting_for_nothing_is_an_error(jobs: Line) -> None:
    code, _, err = jobs("wait", "-l", "app=none", "--for=condition=Complete")
    assert (code, err) == (1, "error: no matching resources found\n")
    assert jobs("wait", "-l", "app=none", "--for=delete")[0] == 0


@pytest.mark.parametrize("asked", [["--all"], ["tj", "--all"], ["-l", "app"], ["--all", "-A"], ["-l", "app=a", "-A"]])
def test_all_are_waited_for(jobs: Line, asked: list[str]) -> None:
    code, out, _ = jobs("wait", *asked)
    assert (code, out.count(" Complete: ")) == (0, 2 if "app=a" in asked else 3)
    assert jobs("wait", "--for=condition=Complete", *asked)[1].count("condition met") == (2 if "app=a" in asked else 3)


def test_what_has_the_labels_is_described(jobs: Line) -> None:
    for asked in (["-l", "app=a"], ["tj", "-l", "app=a"]):
        out = jobs("describe", *asked)[1]
        assert [line.split()[1] for line in out.splitlines() if line.startswith("Name:")] == ["one", "two"]
    assert jobs("describe", "pods", "-l", "jobset.sigs.k8s.io/jobset-name=two")[1].count("hello from two") == 1
    assert jobs("describe", "-A")[1].count("Namespace:") == 3


def test_what_happened_to_what_has_the_labels_is_told(jobs: Line) -> None:
    for asked in (["-l", "app=a"], ["tj", "-l", "app=a", "-A"]):
        rows = jobs("events", *asked)[1]
        assert "/one" in rows
        assert "/two" in rows
        assert "three" not in rows
    rows = jobs("events", "-l", "app=a", "--for", "tj/one")[1]
    assert ("/one" in rows, "two" in rows) == (True, False)
    assert "job/two-node-0" in jobs("events", "-l", "app=a", "--for", "jobs")[1]


def test_jobs_are_suspended_resumed_and_stopped_by_labels(sleepers: Line) -> None:
    assert sleepers("suspend", "-l", "app=a")[1].splitlines() == [
        "trainjob.trainer.kubeflow.org/one suspended", "trainjob.trainer.kubeflow.org/two suspended",
    ]  # fmt: skip
    assert sleepers("resume", "--all")[1].count("resumed") == 2
    assert sleepers("stop", "-l", "app in (a)")[1].count(" stopped\n") == 2
    assert states(sleepers) == {"one": "Cancelled", "two": "Cancelled", "three": "Running"}
    assert sleepers("stop", "tj", "--all")[1] == "trainjob.trainer.kubeflow.org/three stopped\n"
    assert sleepers("suspend", "--all") == (0, "", ""), "what has ended is passed over"


def test_jobs_are_deleted_by_labels(jobs: Line) -> None:
    assert jobs("delete", "tj", "-l", "app=a")[1].count('" deleted\n') == 2
    assert list(states(jobs)) == ["three"]


def test_types_are_deleted_together(jobs: Line) -> None:
    out = jobs("delete", "tj,tr", "--all")[1].splitlines()
    assert len(out) == 6
    assert 'trainingruntime.trainer.kubeflow.org "one" deleted' in out
    assert jobs("get", "tj,tr")[2] == "No resources found in default namespace.\n"


@pytest.mark.parametrize("asked", [["tj/one", "tj/two"], ["tj", "one", "two"], ["trainjobs", "-l", "app=a"]])
def test_a_dry_run_deletes_nothing(jobs: Line, asked: list[str]) -> None:
    for dry in ("--dry-run", "--dry-run=client"):
        said = [f'trainjob.trainer.kubeflow.org "{name}" deleted (dry run)' for name in ("one", "two")]
        assert jobs("delete", dry, *asked) == (0, "\n".join([*said, ""]), "")
    assert len(states(jobs)) == 3
    assert jobs("delete", "all", "--all", "--dry-run=none")[1].count(" deleted\n") == 3
    assert states(jobs) == {}


def test_other_namespaces_are_left_alone_unless_all_are_meant(jobs: Line, kfrun: Kfrun) -> None:
    kfrun.write("far.yaml", labelled("far", "echo hello", "a", "ml"))
    assert jobs("apply", "-q", "--wait", "-f", "far.yaml")[0] == 0
    assert jobs("delete", "-l", "app=a")[1].count(" deleted\n") == 2
    assert "far" in jobs("get", "tj", "-A")[1]
    assert jobs("delete", "--all", "-A")[1].count(" deleted\n") == 2
    assert jobs("get", "tj", "-A")[2] == "No resources found\n"


@pytest.mark.parametrize("grace", [["--grace-period=0", "--force"], ["--force"], ["--now"], ["--grace-period=1"]])
def test_a_grace_period_of_ones_own_is_kept(kfrun: Kfrun, grace: list[str]) -> None:
    kfrun.write(
        "job.yaml", manifest("job", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], grace=300)
    )
    kfrun.ok("apply", "-q", "-f", "job.yaml")
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    word = "force deleted" if "--force" in grace else "deleted"
    assert kfrun.ok("delete", "job", *grace, "--timeout", "60s") == f'trainjob.trainer.kubeflow.org "job" {word}\n'


def test_a_grace_period_can_be_made_longer_than_the_manifests(kfrun: Kfrun) -> None:
    kfrun.write(
        "job.yaml", manifest("job", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], grace=0)
    )
    kfrun.ok("apply", "-q", "-f", "job.yaml")
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    assert kfrun("delete", "job", "--grace-period=300", "--timeout", "1s").returncode == 124
    (pod,) = json.loads(kfrun.ok("get", "pods", "-o", "json"))["items"]
    assert pod["status"]["phase"] == "Running"
    assert kfrun("delete", "job", "--grace-period=1").returncode == 0, "the sooner of two counts"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["delete", "--all", "-l", "a=b"], "--all and a label selector do not go together"),
        (["delete", "x", "-l", "a=b"], 'there is no resource type "x"'),
        (["delete", "tj", "job", "--all"], "names cannot be given together with --all"),
        (["delete", "-l", ""], "the label selector is empty"),
        (["delete", "-A"], "--all-namespaces needs --all or a label selector"),
        (["delete", "-l", "a=b", "-f", "x.yaml"], "-f FILE says what to delete"),
        (["delete", "pods", "--all"], "Pod objects belong to their TrainJob"),
        (["delete", "tj"], "which tj? name one"),
        (["delete", "x", "tj/y"], '"x" has no type'),
        (["describe", "x", "tj/y"], '"x" has no type'),
        (["delete", "job", "--now", "--grace-period=3"], "--now and --grace-period cannot be specified together"),
        (["delete", "job", "--force", "--grace-period=3"], "--force and --grace-period greater than 0 cannot"),
        (["delete", "job", "--grace-period=-2"], "-2 is not in the range"),
        (["delete", "job", "--dry-run=server"], "'server' is not one of"),
        (["stop", "x", "-l", "a=b"], "names cannot be given together with a label selector"),
        (["stop", "-A"], "--all-namespaces needs --all or a label selector"),
        (["suspend"], "say what to suspend"),
        (["resume", "pods", "-l", "a=b"], "Pod objects belong to their TrainJob"),
        (["wait", "x", "--all"], "names cannot be given together with --all"),
        (["wait", "pods", "--all"], "Pod objects belong to their TrainJob"),
        (["logs", "x", "-l", "a=b"], "names cannot be given together with a label selector"),
        (["logs", "-l", "a b"], '"a b" is no label selector'),
        (["describe", "tj", "job", "-l", "a=b"], "names cannot be given together with a label selector"),
        (["describe", "-l", " "], "the label selector is empty"),
    ],
)
def test_contradictions_are_refused(home, arguments: list[str], message: str) -> None:  # type: ignore[no-untyped-def]
    done = home(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
