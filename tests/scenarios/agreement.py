"""Compares what a cluster did with what kfrun did, by the rules of the scenarios' README: a list of differences."""

from __future__ import annotations

import re
import socket
from typing import Any

_ENV_LINE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=")
_POD_NAME = re.compile(r"(job-[a-z0-9-]*-\d+-\d+)-(?:\*|[a-z0-9]{5})(?![\w-])")
_SIGTERM, _SIGKILL = 143, 137
_COUNTED_POD_EVENTS = ("FailedScheduling", "Failed", "Unhealthy", "Killing")
_IGNORED_EVENTS = ("JobsReady", "JobSetCompleted", "JobSetFailed")


def differences(expected: dict[str, Any], found: dict[str, Any], env_names: set[str], policy: str) -> list[str]:
    """What differs, a line each; empty when they agree. ``policy`` is the restartPolicy of the pods."""
    lines: list[str] = []

    def compare(what: str, wanted: object, got: object) -> None:
        if wanted != got:
            lines.append(f"{what}:\n  cluster: {wanted}\n  kfrun:   {got}")

    compare("conditionsFlow", _flow(expected["conditionsFlow"]), _flow(found["conditionsFlow"]))
    compare("finalJobsStatus", _jobs_status(expected), _jobs_status(found))
    compare("jobSet", _jobset(expected["jobSet"]), _jobset(found["jobSet"]))
    compare("jobs", _jobs(expected["jobs"]), _jobs(found["jobs"]))
    limit_reached = policy == "OnFailure" and any(
        c["reason"] == "BackoffLimitExceeded" for job in expected["jobs"] for c in job["conditions"]
    )
    ours = _pods(found["pods"], env_names, limit_reached=limit_reached)
    theirs = _pods(expected["pods"], env_names, limit_reached=limit_reached)
    compare("pods", *_without_unseen_logs(theirs, ours))
    # The needless further attempt on the cluster is killed; here there is none.
    needless = {("Pod", "Killing")} if limit_reached else set()
    compare("events", _events(expected["events"]) - needless, _events(found["events"]) - needless)
    return lines


def _flow(flow: list[Any]) -> list[Any]:
    """Conditions in order of change; that there were none at first depends on how soon one looks."""
    steps = []
    for step in flow:
        if step == "deleted" or (isinstance(step, dict) and step.get("deleted")):
            steps.append("deleted")
            continue
        conditions = step["conditions"] if isinstance(step, dict) else step
        if conditions and (not steps or steps[-1] != conditions):
            steps.append(conditions)
    return steps


def _jobs_status(observation: dict[str, Any]) -> Any:
    """Numbers of Jobs; ``active`` and ``ready`` lag on the cluster once the job is over."""
    rows = observation["finalJobsStatus"]
    if rows is None:
        return None
    flow = _flow(observation["conditionsFlow"])
    last = flow[-1] if flow else []
    over = last == "deleted" or any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in last)
    dropped = {"active", "ready"} if over else set()
    return [{key: value for key, value in row.items() if key not in dropped} for row in rows]


def _jobset(jobset: dict[str, Any]) -> dict[str, Any]:
    return {key: jobset.get(key) for key in ("deleted", "restarts", "terminalState", "conditions")} if jobset else {}


def _jobs(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = ("name", "deleted", "restartAttempt", "conditions", "succeeded", "failed", "completedIndexes")
    rows = [{key: job.get(key) for key in keys} for job in jobs]
    for row in rows:
        row["conditions"] = [{**item, "message": _without_names(item["message"])} for item in row["conditions"]]
    return sorted(rows, key=str)


def _without_names(message: str) -> str:
    """Pods are called otherwise on each run, and the namespace of the observation has no name."""
    return _POD_NAME.sub(r"\1-*", message).replace("pod default/", "pod <ns>/")


def _pods(pods: list[dict[str, Any]], env_names: set[str], *, limit_reached: bool) -> list[dict[str, Any]]:
    rows = []
    for pod in pods:
        containers = []
        for container in pod["containers"]:
            shown = {key: container.get(key) for key in ("name", "exitCode", "reason", "restartCount")}
            if limit_reached and "lastExitCode" in container:
                # The needless further attempt on the cluster; here the one before it was the last.
                shown |= {"exitCode": container["lastExitCode"], "reason": container["lastReason"]}
            log = container.get("log")
            shown["log"] = None if log is None else _normal_log(log, env_names)
            if pod.get("deleted") and shown["exitCode"] == _SIGTERM:
                # pid 1 of a container ignores a SIGTERM that it does not handle and is killed after the grace period;
                # a process that does not handle it dies of it at once.
                shown["exitCode"] = _SIGKILL
            if limit_reached:
                del shown["restartCount"], shown["log"]
            containers.append(shown)
        group = re.sub(r"-\d+-(\*|[a-z0-9]{5})$", "", pod["pod"])
        row = {"job": group, "index": pod["index"], "phase": None if limit_reached else pod["phase"]}
        row["containers"] = sorted(containers, key=lambda container: container["name"])
        rows.append(row)
    return sorted(rows, key=lambda row: (row["job"], row["index"]))


def _without_unseen_logs(
    theirs: list[dict[str, Any]], ours: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A deleted pod's log is gone on the cluster, and kept here: only logs that the cluster has are compared."""
    for wanted, got in zip(theirs, ours, strict=False):
        for left, right in zip(wanted["containers"], got["containers"], strict=False):
            if left.get("log") is None:
                left.pop("log", None)
                right.pop("log", None)
    return theirs, ours


def _normal_log(log: str, env_names: set[str]) -> list[str]:
    lines = []
    for line in log.splitlines():
        match = _ENV_LINE.match(line)
        if match is None or match[1] in env_names:
            lines.append(_with_placeholders(line))
    return lines


def _with_placeholders(line: str) -> str:
    line = re.sub(r"job-[a-z]+-\d+-\d+(\.job)?(\.<ns>|\.default)?(\.svc\.cluster\.local)?", "<host>", line)
    for name in {socket.gethostname(), socket.getfqdn(), "127.0.0.1", "localhost"}:
        line = line.replace(name, "<host>")
    return re.sub(r"(_PORT=['\"]?|<host>:)\d{4,5}", r"\1<port>", line)


def _events(events: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    rows = set()
    for event in events:
        kind, reason = event["on"], event["reason"]
        if kind == "Pod":
            if reason in _COUNTED_POD_EVENTS:
                rows.add((kind, reason))
        elif reason not in _IGNORED_EVENTS:
            rows.add((kind, event["type"], reason, _without_names(event["message"])))
    return rows
