from __future__ import annotations

from dataclasses import replace

import pytest

from kfrun.model.change import CreateJob, ReplaceJob, ResumeJob, SuspendJob, UpdateJob
from kfrun.model.state import Observed, ObservedJob
from kfrun.model.wishes import Wishes
from kfrun.plan import jobs, planner, refusals, render
from tests.plan.conftest import CASES, make_case

NAMES = sorted(path.name for path in CASES.iterdir())


@pytest.fixture(params=NAMES)
def case(request):
    return make_case(request.param)


def test_the_plan_is_the_golden_one(case, update_golden):
    text = render.to_text(case.plan(case.known, case.prepare(case.known)))
    golden = case.folder / "plan.txt"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("refused") and name != "delete"])
def test_after_a_plan_was_carried_out_the_next_one_is_empty(name):
    case = make_case(name)
    prepared = case.prepare(case.known)
    plan = case.plan(case.known, prepared)
    assert plan.refusals == ()
    case.wishes = case.wishes._replace(rerun=False)
    known = carried_out(plan, prepared, case.known)
    again = case.plan(known, case.prepare(known))
    assert again.is_empty, render.to_text(again)
    assert again.refusals == ()


def carried_out(plan, prepared, known):
    """What is stored after a plan: the executor's part in a few lines."""
    jobs = dict(known.jobs)
    for action in plan.actions:
        desired = next((item for item in plan.jobs if item.resolution.trainjob == action.key), None)
        data = prepared.trainjobs.get(action.key)
        if isinstance(action, CreateJob | ReplaceJob):
            runtime = desired.resolution.runtime.document.data
            digests = desired.digest, desired.run_digest
            jobs[action.key] = ObservedJob(
                action.key, "2", 2, data, runtime, *digests, finished=False, suspended=data["spec"]["suspend"]
            )
        elif isinstance(action, UpdateJob | SuspendJob | ResumeJob):
            before = jobs[action.key]
            run_digest = desired.run_digest if before.suspended else before.run_digest
            suspended = data["spec"]["suspend"]
            jobs[action.key] = replace(
                before, data=data, digest=desired.digest, run_digest=run_digest, suspended=suspended
            )
    objects = {**known.objects, **{item.key: item.data for item in prepared.objects}}
    runtimes = (*prepared.objects, *known.runtimes)
    return Observed(runtimes=runtimes, jobs=jobs, objects=objects)


def switched(case, *, suspend):
    """The stored job of a case after ``kfrun suspend`` or ``kfrun resume``: no digest changes."""
    (job,) = case.known.jobs.values()
    data = {**job.data, "spec": {**job.data["spec"], "suspend": suspend}}
    return case.known._replace(jobs={job.key: replace(job, data=data, suspended=suspend)})


def test_a_job_suspended_from_elsewhere_stays_so_where_the_manifest_never_said_anything():
    case = make_case("unchanged-running")
    known = switched(case, suspend=True)
    prepared = case.prepare(known)
    plan = case.plan(known, prepared)
    assert plan.is_empty
    assert [data["spec"]["suspend"] for data in prepared.trainjobs.values()] == [True]


def test_another_change_does_not_resume_a_job_suspended_from_elsewhere():
    case = make_case("update-labels")
    known = switched(case, suspend=True)
    prepared = case.prepare(known)
    (action,) = case.plan(known, prepared).actions
    assert isinstance(action, UpdateJob)
    assert [data["spec"]["suspend"] for data in prepared.trainjobs.values()] == [True]


def test_a_manifest_that_says_suspend_suspends_a_job_resumed_from_elsewhere():
    case = make_case("create-suspended")
    prepared = case.prepare(case.known)
    case.known = carried_out(case.plan(case.known, prepared), prepared, case.known)
    known = switched(case, suspend=False)
    (action,) = case.plan(known, case.prepare(known)).actions
    assert isinstance(action, SuspendJob)


def test_a_running_job_keeps_its_runtime_and_what_it_runs_when_the_runtime_changes():
    case = make_case("runtime-changed-running")
    (before,) = case.known.jobs.values()
    (desired,) = case.prepare(case.known).jobs
    assert desired.run_digest == before.run_digest
    assert desired.digest != before.digest


@pytest.mark.parametrize(
    ("flag", "annotation", "setting", "backend"),
    [
        (None, None, "process", "process"),
        (None, "docker", "process", "docker"),
        ("process", "docker", "process", "process"),
        (None, None, "docker", "docker"),
    ],
)
def test_the_backend_is_that_of_the_flag_else_the_manifest_else_the_setting(flag, annotation, setting, backend):
    case = make_case("create")
    (job,) = case.prepare(case.known).jobs
    job = replace(job, resolution=replace(job.resolution, backend=annotation))
    wishes, limits = Wishes(backend=flag), planner.Limits(backend=setting)
    assert jobs.backend_of(job, wishes, limits.backend) == backend
    codes = [finding.code for finding in planner.plan([job], (), Observed(), wishes, limits).refusals]
    assert codes == ([] if backend == "process" else ["KF506"])


def test_every_refusal_has_its_code_in_the_table():
    used = {
        finding.code
        for name in NAMES
        for case in [make_case(name)]
        for finding in case.plan(case.known, case.prepare(case.known)).refusals
    }
    assert {code for code in used if code.startswith("KF5")} == set(refusals.CODES)


def test_planning_is_pure_and_repeatable(case):
    prepared = case.prepare(case.known)
    assert case.plan(case.known, prepared) == case.plan(case.known, prepared)
