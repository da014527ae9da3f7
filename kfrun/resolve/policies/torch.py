"""The torch policy: torchrun's settings as ``PET_*`` environment. Source: upstream's Torch plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.errors import InvalidInput
from kfrun.resolve import env, quantity
from kfrun.resolve.findings import finding
from kfrun.resolve.podsets import NODE, PORT, counting_resources, same_port, upsert

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.model.source import Finding
    from kfrun.resolve.origins import Mark
    from kfrun.resolve.podsets import Build, PodContainer, PodSet

    Node = dict[str, Any]

_TORCHTUNE = ["tune", "run"]


def enforce(build: Build) -> None:
    """Set the trainer's count and inject ``PET_*`` and the rendezvous port.

    Without a ``trainer`` section in the TrainJob the training container gets nothing; targets of envInjection do.

    Raises:
        InvalidInput: an envInjection target that the template lacks, or a torchtune command.
    """
    trainer = build.trainer or {}
    if trainer.get("command") == _TORCHTUNE:
        path = build.job_mark.at("trainer", "command").path
        message = "torchtune (the command [tune, run]) is not supported by this version of kfrun"
        raise InvalidInput([finding("KF403", message, build.job_mark.document, path)])
    pods = build.trainer_pod_set()
    if pods is not None and "numNodes" in trainer:
        pods.count = trainer["numNodes"]
    # upstream sets the settings per trainer pod set; without one there is nothing to count
    count = pods.count if pods is not None else 1
    processes = _processes(build)

    def settings() -> list[Node]:
        return _settings(build, count, processes)

    mark = build.runtime_mark.at("mlPolicy", "torch").as_policy("torch")
    container = pods.container(NODE) if pods is not None else None
    if build.trainer is not None and container is not None:
        _inject_trainer(build, container, settings(), mark)
    _inject_targets(build, settings, mark)


def _processes(build: Build) -> str:
    """Processes per node: as asked, else ``auto`` where there are GPUs (torchrun counts them), else one per CPU."""
    asked = (build.trainer or {}).get("numProcPerNode")
    if asked is not None:
        return str(asked)
    resources = counting_resources(build)
    if gpus(resources) > 0:
        return "auto"
    requested = quantity.ceiling(resources.get("requests", {}).get("cpu", ""))
    limit = quantity.ceiling(resources.get("limits", {}).get("cpu", ""))
    return str(max(1, requested or limit))


def gpus(resources: Node) -> int:
    """How many GPUs ``resources`` ask for: any resource whose name contains "gpu", requests before limits."""
    for key in ("requests", "limits"):
        amounts = resources.get(key, {})
        name = next((name for name in amounts if "gpu" in name.lower()), None)
        if name is not None and (count := quantity.ceiling(amounts[name])) > 0:
            return count
    return 0


def _settings(build: Build, count: int, processes: str) -> list[Node]:
    return [
        env.literal("PET_NNODES", str(count)),
        env.literal("PET_NPROC_PER_NODE", processes),
        env.completion_index("PET_NODE_RANK"),
        env.literal("PET_MASTER_ADDR", build.rank_zero),
        env.literal("PET_MASTER_PORT", str(PORT)),
    ]


def _inject_trainer(build: Build, container: PodContainer, settings: list[Node], mark: Mark) -> None:
    entries = (build.trainer or {}).get("env", [])
    env.upsert_user_env(container.env, entries, build.job_mark.at("trainer", "env"), build.ledger)
    env.upsert_policy_env(container.env, settings, mark, build.ledger)
    upsert(container.ports, build.ledger.place({"containerPort": PORT}, mark), same_port)


def _inject_targets(build: Build, settings: Callable[[], list[Node]], mark: Mark) -> None:
    assert build.policy is not None
    targets = build.policy["torch"].get("envInjection", {}).get("targets", [])
    for index, target in enumerate(targets):
        pods = next((item for item in build.pod_sets if item.name == target.get("jobName")), None)
        for name in target.get("containerNames", []):
            container = _find(pods, name)
            if container is None:
                raise InvalidInput([_missing(build, index, target.get("jobName", ""), name)])
            env.upsert_policy_env(container.env, settings(), mark, build.ledger)


def _find(pods: PodSet | None, name: str) -> PodContainer | None:
    containers = [*pods.containers, *pods.init_containers] if pods is not None else []
    return next((item for item in containers if item.name == name), None)


def _missing(build: Build, index: int, job: str, name: str) -> Finding:
    path = build.runtime_mark.at("mlPolicy", "torch", "envInjection", "targets", index).path
    have = [f'"{pods.name}"' for pods in build.pod_sets]
    message = f'envInjection names container "{name}" of job "{job}", which the template does not have'
    hint = f"jobs of the template: {', '.join(have)}" if have else None
    return finding("KF405", message, build.runtime_mark.document, path, hint=hint)
