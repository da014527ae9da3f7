"""One object in full, for people, laid out as `kubectl describe` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kfrun import masking
from kfrun.model.kinds import RUNTIMES
from kfrun.model.state import UNSEEN_ENDS, PastRun
from kfrun.model.values import dataclass, replace
from kfrun.report import columns
from kfrun.report.table import Table, age, clean

_Object = Mapping[str, Any]
_INDENT = "  "
_UNKNOWN = columns.JobFacts()


@dataclass(frozen=True, slots=True)
class TrainJobView:
    """Everything there is to tell of a TrainJob.

    Attributes:
        job: the stored TrainJob; ``jobs`` and ``pods`` belong to it, ``events`` are told of all of them.
        facts: what only kfrun knows, for the state line.
        nodes: how users name the node of each pod, in the order of ``pods``.
        packages: requirements that were installed.
        environment: folder of the Python environment, empty without one.
        folder: where logs lie; empty when the job does not run here.
        not_enforced: fields that the backend does not honour, with the reason.
        failure: one sentence on why it failed, empty otherwise.
        help: what to do about it, empty where nobody knows.
        last_lines: of the node that failed first.
        history: the runs of its name that came before, the latest first.
    """

    job: _Object
    jobs: Sequence[_Object] = ()
    pods: Sequence[_Object] = ()
    events: Sequence[_Object] = ()
    facts: columns.JobFacts = _UNKNOWN
    nodes: Sequence[str] = ()
    packages: Sequence[str] = ()
    environment: str = ""
    folder: str = ""
    not_enforced: Sequence[str] = ()
    failure: str = ""
    help: str = ""
    last_lines: Sequence[str] = ()
    history: Sequence[PastRun] = ()


def trainjob(view: TrainJobView, now: float) -> str:
    """The description of a TrainJob, without its secrets; ``now`` is in seconds since the epoch."""
    view = replace(view, job=masking.data(view.job), packages=[masking.text(item) for item in view.packages])
    spec = view.job["spec"]
    trainer = spec.get("trainer") or {}
    facts: dict[str, Any] = {
        **_identity(view.job, now),
        "State": columns.trainjob_state(view.job),
        "Waits For": columns.waits_for(view.job),
        "Failure": view.failure,
        "Help": view.help,
        "Last Lines": list(view.last_lines),
        "Exit Code": view.facts.exit_code,
        "Run": view.facts.run,
        "Runtime": _runtime(spec),
        "Nodes": trainer.get("numNodes") or view.facts.nodes,
        "Processes Per Node": trainer.get("numProcPerNode"),
        "Suspend": "true" if spec.get("suspend") else "",
        "Managed By": spec.get("managedBy"),
        "Deadline": f"{spec['activeDeadlineSeconds']}s" if spec.get("activeDeadlineSeconds") else "",
        "Backend": view.facts.backend,
        "Packages": list(view.packages),
        "Environment": view.environment,
        "Folder": view.folder,
        "Trainer": {_title(key): value for key, value in trainer.items() if key not in _SHOWN},
        "Initializer": spec.get("initializer"),
        "Runtime Patches": spec.get("runtimePatches"),
        "Not Enforced": list(view.not_enforced),
    }
    parts = [
        _fields({name: value for name, value in facts.items() if value not in (None, "", [], {})}),
        _table("Conditions", ("TYPE", "STATUS", "REASON", "AGE", "MESSAGE"), _condition_rows(view.job, now)),
        _table("Former Runs", ("RUN", "STATE", "EXIT", "DURATION", "AGE"), _former_rows(view, now)),
        _objects("Jobs", "Job", view.jobs, now),
        _table("Pods", ("NODE", "POD", "CONTAINER", "STATUS", "EXIT", "RESTARTS", "MESSAGE"), _pod_rows(view)),
        _objects("Events", "Event", view.events, now, empty=True),
    ]
    return "".join(parts)


def _former_rows(view: TrainJobView, now: float) -> list[tuple[str, ...]]:
    return [
        (
            str(run.number),
            columns.trainjob_state(run.data),
            run.exit_code or columns.NONE,
            columns.duration(run.data, now),
            age(run.data["metadata"].get("creationTimestamp"), now),
        )
        for run in view.history
    ]


_SHOWN = ("numNodes", "numProcPerNode")


def generic(obj: _Object, events: Sequence[_Object], now: float) -> str:
    """The description of any other object without its secrets: its fields as an indented outline, then its events."""
    obj = masking.data(obj)
    rest = {_title(key): value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    head = {**_identity(obj, now), "API Version": obj["apiVersion"], "Kind": obj["kind"]}
    if obj["kind"] in RUNTIMES:
        head["From"] = columns.origin(obj)
    return _fields({**head, **rest}) + _objects("Events", "Event", events, now, empty=True)


def _identity(obj: _Object, now: float) -> dict[str, Any]:
    metadata = obj["metadata"]
    created = metadata.get("creationTimestamp")
    return {
        "Name": metadata["name"],
        "Namespace": metadata.get("namespace", ""),
        "Labels": [f"{key}={value}" for key, value in (metadata.get("labels") or {}).items()] or columns.NONE,
        "Annotations": [f"{key}: {value}" for key, value in (metadata.get("annotations") or {}).items()]
        or columns.NONE,
        "Created": f"{created} ({age(created, now)} ago)" if created else "",
        "UID": metadata.get("uid", ""),
    }


def _runtime(spec: _Object) -> str:
    ref = spec.get("runtimeRef") or {}
    return f"{ref.get('kind', 'ClusterTrainingRuntime')}/{ref.get('name', '')}"


def _title(key: str) -> str:
    """``resourcesPerNode`` as ``Resources Per Node``."""
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in key)
    return spaced[:1].upper() + spaced[1:]


def _fields(values: Mapping[str, Any]) -> str:
    """Names and values in two columns; mappings and lists of mappings as an outline below their name."""
    width = max((len(name) for name in values), default=0) + 3
    return "".join(_field(name, value, width) for name, value in values.items())


def _field(name: str, value: Any, width: int) -> str:
    if isinstance(value, Mapping) and value:
        return f"{name}:\n" + "".join(f"{_INDENT}{line}\n" for line in _outline(value))
    if isinstance(value, list) and value and not all(isinstance(item, str) for item in value):
        return f"{name}:\n" + "".join(f"{_INDENT}{line}\n" for line in _outline(value))
    lines = [line for item in (value if isinstance(value, list) else [value]) for line in _text(item)]
    first, *others = lines or [columns.NONE]
    return f"{name + ':':<{width}}{first}\n" + "".join(f"{'':<{width}}{line}\n" for line in others)


def _outline(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [line for key, item in value.items() for line in _entry(f"{key}:", item)]
    if isinstance(value, list):
        return [line for item in value for line in _item(item)]
    return _text(value)


def _entry(name: str, value: Any) -> list[str]:
    if isinstance(value, Mapping | list) and value:
        return [name, *(f"{_INDENT}{line}" for line in _outline(value))]
    first, *others = _text(value)
    return [f"{name} {first}", *(f"{_INDENT}{line}" for line in others)]


def _item(value: Any) -> list[str]:
    first, *others = _outline(value) or [columns.NONE]
    return [f"- {first}", *(f"  {line}" for line in others)]


def _text(value: Any) -> list[str]:
    if value in (None, "", [], {}):
        return [columns.NONE]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return [clean(line) for line in text.splitlines()]


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, empty: bool = False) -> str:
    if not rows:
        return f"{title}:  {columns.NONE}\n" if empty else ""
    drawn = Table(header).render(rows)
    return f"{title}:\n" + "".join(f"{_INDENT}{line}\n" for line in drawn.splitlines())


def _objects(title: str, kind: str, objects: Sequence[_Object], now: float, *, empty: bool = False) -> str:
    kinds = columns.of(kind)
    rows = [kinds.row(obj, now, wide=False) for obj in objects]
    return _table(title, kinds.header(wide=False), rows, empty=empty)


def _condition_rows(job: _Object, now: float) -> list[tuple[str, ...]]:
    return [
        (c["type"], c["status"], c.get("reason", ""), age(c.get("lastTransitionTime"), now), c.get("message", ""))
        for c in job.get("status", {}).get("conditions") or []
    ]


def _pod_rows(view: TrainJobView) -> list[tuple[str, ...]]:
    rows = []
    for pod, node in zip(view.pods, view.nodes, strict=True):
        status = pod.get("status", {})
        statuses = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        rows += [_container_row(node, pod, container) for container in statuses]
        if not statuses:
            message = str(status.get("message") or "")
            rows.append((node, pod["metadata"]["name"], "", columns.pod_status(pod), "", "0", message))
    return rows


def _container_row(node: str, pod: _Object, container: _Object) -> tuple[str, ...]:
    name, state = next(iter((container.get("state") or {"waiting": {}}).items()))
    word = str(state.get("reason") or name.capitalize())
    # A container that runs has no message of its own; its pod has one when it is lost sight of, or failed by itself.
    message = state.get("message") or pod["status"].get("message")
    # Of an end that nobody saw, the code is a stand-in.
    code = "unknown" if word in UNSEEN_ENDS and "exitCode" in state else state.get("exitCode")
    return (
        node,
        pod["metadata"]["name"],
        container["name"],
        word,
        "" if code is None else str(code),
        str(container.get("restartCount", 0)),
        str(message or "").rstrip("\n"),
    )
