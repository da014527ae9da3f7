"""Jobs that ran on a real cluster run here as local processes, and must end in the same way.

``pytest tests/scenarios --cases DIR`` runs any folder of such cases. What needs a capability that kfrun does not have
yet is listed in ``later.yaml`` with the reason; for those the plan must name what it does not honour.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.scenarios.agreement import differences
from tests.scenarios.observation import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Kfrun

HERE = Path(__file__).parent
LATER: dict[str, str] = yaml.safe_load((HERE / "later.yaml").read_text())
if os.geteuid():
    LATER["run-as-user"] = "security context: only root may start processes as another user"
LOCAL: dict[str, str] = {
    "dns-of-peers": "a process has the names of this machine; where the manifest has hosts it gets addresses",
    "image-missing": "a process has no image",
    "killed-by-segv": "a process is not pid 1: it dies of the signal",
    "missing-configmap-env": "nobody looks away while the pod starts, so that it is seen to end",
    "workdir-missing-is-made": "kfrun makes no folders outside its own",
}
"""Cases whose local meaning differs on purpose; each has a test of its own below."""
HONOURED = {
    "core",
    "ttl",
    "volumes",
    "volumes (hostPath), retries",
    "env sources",
    "devices and capacity",
    "pods with several containers, and an emptyDir volume",
    "failure policies",
    "probes",
    "lifecycle hooks",
    "security context",
    "pod failure policies",
    "JobSet ordering and policies",
    "pods with several containers",
    "jax policy",
}
"""What of agreement.yaml's capabilities there is."""
_END_SECONDS = 40.0
_LAST_SECONDS = 1.0
"""How long a job is looked at that goes on for ever."""


def _cases(config: pytest.Config) -> list[Path]:
    folder = Path(config.getoption("--cases") or HERE / "cases")
    return sorted(path for path in folder.iterdir() if (path / "manifest.yaml").exists())


def _case(config: pytest.Config, name: str) -> Path:
    """A case with a local meaning of its own: of the folder that was given if it has it, else ours."""
    given = config.getoption("--cases")
    found = Path(given or HERE / "cases") / name
    return found if found.exists() else HERE / "cases" / name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        is_later = metafunc.definition.name == "test_the_plan_names_what_is_not_honoured_yet"
        found = [case for case in _cases(metafunc.config) if case.name not in LOCAL]
        cases = [case for case in found if (case.name in LATER) == is_later]
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _documents(case: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((case / "manifest.yaml").read_text()))


def _merge(base: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


class Run:
    """One case at work."""

    def __init__(self, kfrun: Kfrun, case: Path) -> None:
        self.kfrun = kfrun
        self.documents = _documents(case)
        self.observed = _load(case / "observed.yaml")
        steps = case / "steps.yaml"
        self.steps = _load(steps) if steps.exists() else []
        self.answers: list[tuple[bool, str]] = []
        self.observer: Observer | None = None

    def apply(self) -> tuple[bool, str]:
        # In JSON texts stay texts: a bare y of YAML is a boolean to kubectl.
        path = self.kfrun.write("manifest.yaml", "\n---\n".join(map(json.dumps, self.documents)))
        return self._watched("apply", "-q", "-f", str(path))

    def _watched(self, *args: str) -> tuple[bool, str]:
        """Run a command line and look at the job all the while."""
        process = self.kfrun.start(*args, KFRUN_RETRY_DELAY="0.2")
        while process.poll() is None:
            if args[0] == "delete" and self.observer is not None:
                self.observer.glance()
            else:
                self.look()
        _, answer = process.communicate()
        return process.returncode == 0, answer.decode()

    def step(self, wish: Any) -> tuple[bool, str]:
        if wish == "delete":
            return self._watched("delete", "trainjob", "job")
        if "create" in wish:
            return self._watched("create", "-f", str(self.kfrun.write("created.yaml", json.dumps(wish["create"]))))
        before = self.documents
        self.documents = [
            _merge(item, wish) if item["kind"] == "TrainJob" else item for item in self.documents if item["kind"]
        ]
        ok, answer = self.apply()
        if not ok:
            self.documents = before
        return ok, answer

    def look(self) -> None:
        if self.observer is None:
            if not self.kfrun.database.exists():
                return
            self.observer = Observer(self.kfrun.store(), "job")
        self.observer.look()

    def until(self, moment: float) -> None:
        while time.monotonic() < moment:
            self.look()
            time.sleep(0.002)

    def to_the_end(self) -> None:
        last, deadline = time.monotonic() + _LAST_SECONDS, time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            self.look()
            if self._is_over() or (self._never_ends() and time.monotonic() > last):
                return
            time.sleep(0.002)
        pytest.fail("the job did not end")

    def _is_over(self) -> bool:
        observer = self.observer
        if observer is None or observer.deleted:
            return observer is not None
        return observer.finished and observer.ended and (not self._has_ttl() or observer.expired())

    def _has_ttl(self) -> bool:
        return any("ttlSecondsAfterFinished" in str(item) for item in self.documents)

    def _never_ends(self) -> bool:
        """The observation itself ended without a terminal condition or a deletion."""
        last = self.observed["conditionsFlow"][-1] if self.observed["conditionsFlow"] else {}
        terminal = any(c["type"] in ("Complete", "Failed") for c in last.get("conditions", []))
        return not terminal and not last.get("deleted")


def _tidy(case: Path) -> None:
    """Remove what an earlier run of a case, or another one, left of it."""
    shutil.rmtree(f"/tmp/kfrun-scenarios/{case.name}", ignore_errors=True)
    for path in set(re.findall(r"/tmp/[\w.-]+(?![\w./-])", (case / "manifest.yaml").read_text())):
        if os.path.isfile(path):
            os.unlink(path)


def test_a_job_ends_as_on_the_cluster(kfrun: Kfrun, case: Path) -> None:
    _tidy(case)
    run = Run(kfrun, case)
    try:
        _run_and_compare(run)
    finally:
        if run.observer is not None:
            run.observer.close()


def _run_and_compare(run: Run) -> None:
    accepted, answer = run.apply()
    expected = run.observed["apply"]
    if expected != "accepted":
        refused = next(item for item in expected if not item["ok"])
        assert not accepted
        assert _field(refused["error"]) in answer
        return
    assert accepted, answer
    start = time.monotonic()
    run.look()
    for step, seen in zip(run.steps, run.observed["steps"], strict=True):
        run.until(start + float(step["atSecond"]))
        ok, answer = run.step(step["do"])
        assert ok == seen["ok"], answer
        if not ok:
            assert _field(seen["answer"]) in answer
    run.to_the_end()
    assert run.observer is not None
    found = run.observer.report()
    found_differences = differences(run.observed, found, _env_names(run), _policy(run))
    if found_differences:
        pytest.fail("\n".join(found_differences))


def _field(answer: str) -> str:
    """The field path of a refusal: the first word that begins with ``spec.``."""
    return next(word.rstrip(":,") for word in answer.split() if word.startswith("spec."))


def _containers(run: Run) -> list[dict[str, Any]]:
    runtime = next(item for item in run.documents if item["kind"].endswith("TrainingRuntime"))
    jobs = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    return [c for job in jobs for c in job["template"]["spec"]["template"]["spec"]["containers"]]


def _env_names(run: Run) -> set[str]:
    """Names that the resolved JobSet sets."""
    path = run.kfrun.folder / "manifest.yaml"
    rendered = yaml.safe_load_all(run.kfrun.ok("render", "-f", path))
    names = {"JOB_COMPLETION_INDEX"}
    for item in rendered:
        if item and item["kind"] == "JobSet":
            for job in item["spec"]["replicatedJobs"]:
                for container in job["template"]["spec"]["template"]["spec"]["containers"]:
                    names |= {variable["name"] for variable in container.get("env", [])}
    return names


def _policy(run: Run) -> str:
    runtime = next(item for item in run.documents if item["kind"].endswith("TrainingRuntime"))
    job = runtime["spec"]["template"]["spec"]["replicatedJobs"][0]
    return str(job["template"]["spec"]["template"]["spec"].get("restartPolicy", "OnFailure"))


def test_the_plan_names_what_is_not_honoured_yet(kfrun: Kfrun, case: Path) -> None:
    shutil.copy(case / "manifest.yaml", kfrun.folder / "manifest.yaml")
    done = kfrun("plan", "-f", "manifest.yaml")
    assert "not enforced by process: " in done.stdout or done.returncode == 1, done.stdout + done.stderr


def test_only_cases_that_need_more_than_there_is_come_later() -> None:
    needs = {name: item["needs"] for name, item in _load(HERE / "agreement.yaml").items()}
    assert set(LATER) <= set(needs)
    for name, need in needs.items():
        assert need in LATER.get(name, need) or need in HONOURED
        assert name in {*LATER, *LOCAL} or need in HONOURED, name
        assert name not in LATER or need != "core", name


def test_a_process_dies_of_sigsegv(kfrun: Kfrun, pytestconfig: pytest.Config) -> None:
    shutil.copy(_case(pytestconfig, "killed-by-segv") / "manifest.yaml", kfrun.folder / "manifest.yaml")
    done = kfrun("run", "-f", "manifest.yaml")
    assert done.returncode == 139, done.stderr
    with kfrun.store() as store:
        job = store.find("TrainJob", "default", "job")
    assert job is not None
    assert job.data["status"]["conditions"][-1]["type"] == "Failed"


def test_a_missing_working_directory_is_refused(kfrun: Kfrun, pytestconfig: pytest.Config) -> None:
    shutil.copy(_case(pytestconfig, "workdir-missing-is-made") / "manifest.yaml", kfrun.folder / "manifest.yaml")
    done = kfrun("apply", "-f", "manifest.yaml")
    assert done.returncode == 1
    assert '"/not/there" does not exist' in done.stderr
    assert "manifest.yaml:" in done.stderr


def test_a_container_waits_for_its_configmap(kfrun: Kfrun, pytestconfig: pytest.Config) -> None:
    shutil.copy(_case(pytestconfig, "missing-configmap-env") / "manifest.yaml", kfrun.folder / "manifest.yaml")
    kfrun.ok("apply", "-f", "manifest.yaml")
    with kfrun.store() as store:
        found = _until(lambda: store.objects("Pod"))
        assert _waiting(found[0].data) == "CreateContainerConfigError"
        messages = [event.message for _, event in store.events() if event.reason == "Failed"]
    assert messages == ['Error: configmap "nosuch" not found']
    kfrun.write("map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nosuch}\ndata: {}\n")
    kfrun.ok("create", "-f", "map.yaml")
    assert kfrun("wait", "job", "--timeout=20s").returncode == 0


def _waiting(pod: dict[str, Any]) -> str:
    statuses = pod["status"].get("containerStatuses", [])
    return next((item["state"]["waiting"]["reason"] for item in statuses if "waiting" in item["state"]), "")


def _until(found: Callable[[], list[Any]]) -> list[Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if items := [item for item in found() if _waiting(item.data) == "CreateContainerConfigError"]:
            return items
        time.sleep(0.01)
    raise AssertionError("it never waits")


@pytest.mark.parametrize("name", ["image-missing", "dns-of-peers"])
def test_what_only_containers_have_is_named_by_the_plan(kfrun: Kfrun, pytestconfig: pytest.Config, name: str) -> None:
    shutil.copy(_case(pytestconfig, name) / "manifest.yaml", kfrun.folder / "manifest.yaml")
    said = kfrun.ok("plan", "-f", "manifest.yaml")
    assert "not enforced by process: 1 field (image)" in said
