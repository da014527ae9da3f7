"""A job's files as kfrun wrote them at first: a job that runs while kfrun is replaced is taken over."""

from __future__ import annotations

from typing import Any

Data = dict[str, Any]


def converted(data: Data) -> Data:
    """The same as it is written now: the JobSet tells nearly all of it."""
    former, jobset = data["workload"], data["jobset"]
    rest = {key: value for key, value in data.items() if key != "jobset"}
    workload = {
        "jobset": jobset,
        "injected": _injected(former),
        "backoff_limit": _backoff_limit(former, jobset),
        "active_deadline": former["active_deadline"],
        "own_images": any(path.endswith(".image") for path, _ in former["not_enforced"]),
    }
    return {**rest, "workload": workload}


def _injected(former: Data) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for job in former["jobs"]:
        for pod in job["pods"][:1]:
            for container in (*pod["init_containers"], *pod["containers"]):
                names = [variable["name"] for variable in container["env"] if variable["injected"]]
                if names:
                    found.setdefault(job["replicated_job"], {})[container["name"]] = names
    return found


def _backoff_limit(former: Data, jobset: Data) -> int:
    """The retries of Jobs whose manifest says nothing about them."""
    limits = {job["replicated_job"]: job["backoff_limit"] for job in former["jobs"]}
    specs = {item["name"]: item["template"]["spec"] for item in jobset["spec"].get("replicatedJobs", [])}
    silent = [name for name, spec in specs.items() if "backoffLimit" not in spec and "backoffLimitPerIndex" not in spec]
    return max((int(limits[name]) for name in silent if name in limits), default=0)
