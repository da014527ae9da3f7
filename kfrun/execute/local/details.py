"""What this machine alone knows of a job: its folder, its Python environment, pods that were removed, former runs."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from kfrun.execute.answers import JobDetails
from kfrun.execute.environments.credentials import without_credentials
from kfrun.execute.local import jobfiles, ledger
from kfrun.model.requirements import shown
from kfrun.model.state import PastRun
from kfrun.observe import outcome, status
from kfrun.plan import support

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.execute.local.jobfiles import RunFiles
    from kfrun.observe.store import FormerRun, Run, Store


def of(store: Store, run: Run | None, pods: Sequence[Mapping[str, Any]]) -> JobDetails:
    """The details of a job and its run; ``pods`` are those that are stored, for when its own files do not tell more."""
    if run is None:
        return JobDetails(pods)
    files = _files(run)
    if files is None:
        return JobDetails(pods, run.folder)
    workload = files.workload
    # Another version of kfrun may have run it.
    known = support.of(run.backend) if run.backend in support.BACKENDS else None
    not_enforced = (
        known.not_enforced(workload.jobset, own_images=workload.own_images, user=os.geteuid()) if known else ()
    )
    return JobDetails(
        pods=_pods(store, run, files) or pods,
        folder=run.folder,
        environment=files.environment_path,
        packages=_packages(files.environment or {}),
        not_enforced=[f"{item.path} ({item.why})" for item in not_enforced],
        hangs=workload.hangs,
    )


def _packages(environment: Mapping[str, Any]) -> list[str]:
    """The requirements of an environment, after the files that they come from."""
    listed = [shown(without_credentials(item)) for item in environment.get("requirements", ())]
    return [*(f"from {source}" for source in environment.get("sources", ())), *listed]


def environment(run: Run) -> str:
    """The folder of a run's Python environment; empty where it has none, or its files are gone and it can use none."""
    files = _files(run)
    return "" if files is None else files.environment_path


def _files(run: Run) -> RunFiles | None:
    """The run's own files; None when they are gone, damaged or of another version."""
    try:
        return jobfiles.read(run.folder, run.run_digest)
    except (OSError, ValueError):
        return None


def _pods(store: Store, run: Run, files: RunFiles) -> list[dict[str, Any]]:
    """Every pod that there was, those that were removed too, as the supervisor's state tells; none if it does not."""
    state = ledger.latest(store, run)
    if state is None:
        # It never ran yet, another version wrote it, or it is damaged.
        return []
    try:
        children = {child.name: child for child in files.workload.jobs}
        return [status.pod_object(files.workload, state, pod, children[pod.job]) for pod in state.pods]
    except (ValueError, TypeError, KeyError):
        return []


def history(store: Store, namespace: str, name: str) -> list[PastRun]:
    """The runs of a name that were replaced, the latest first; what of them cannot be read is left out."""
    return [run for row in store.former_runs(namespace, name) if (run := _past(row)) is not None]


def _past(row: FormerRun) -> PastRun | None:
    from kfrun.model.code import SourceCode

    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        data = json.loads(row.data)
        end = outcome.outcome(data, (), json.loads(row.failure) if row.failure else None)
        return PastRun(
            row.number,
            row.uid,
            data,
            end.shown_code if end is not None else "",
            row.backend,
            json.loads(row.runtime) if row.runtime else None,
            row.digest,
            row.run_digest,
            SourceCode.of_json(row.code),
        )
    return None
