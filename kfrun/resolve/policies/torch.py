"""The torch policy: torchrun's settings as ``PET_*`` environment. Source: upstream's Torch plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.errors import InvalidInput
from kfrun.resolve import env
from kfrun.resolve.findings import finding
from kfrun.resolve.podsets import PORT, set_count, trainer_container
from kfrun.resolve.policies import counts, torchtune

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.model.source import FieldPath, Finding
    from kfrun.resolve.origins import Mark
    from kfrun.resolve.podsets import Build, PodContainer, PodSet

    Node = dict[str, Any]

_WITHOUT_MASTER = 3
"""How many of the settings come before the master's address, which torchtune's command line holds."""


def enforce(build: Build) -> None:
    """Set the trainer's count and inject ``PET_*`` and the rendezvous port.

    Without a ``trainer`` section in the TrainJob the training container gets nothing; targets of envInjection do.

    Raises:
        InvalidInput: every envInjection target that the template lacks.
    """
    pods = build.trainer_pod_set()
    set_count(build, pods)
    # upstream sets the settings per trainer pod set; without one there is nothing to count
    count = pods.count if pods is not None else 1
    processes = counts.processes(build)

    def settings() -> list[Node]:
        return _settings(build, count, processes)

    mark = build.runtime_mark.at("mlPolicy", "torch").as_policy("torch")
    container = trainer_container(build, pods)
    if container is not None and torchtune.is_used(build):
        build.set_command(torchtune.command(build, count, processes), mark.as_policy("torchtune"))
        _inject_trainer(build, container, settings()[:_WITHOUT_MASTER], mark)
    elif container is not None:
        _inject_trainer(build, container, settings(), mark)
    _inject_targets(build, settings, mark)


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
    container.add_port(build.ledger.place({"containerPort": PORT}, mark))


def _inject_targets(build: Build, settings: Callable[[], list[Node]], mark: Mark) -> None:
    assert build.policy is not None
    targets = build.policy["torch"].get("envInjection", {}).get("targets", [])
    missing = []
    for index, target in enumerate(targets):
        pods = next((item for item in build.pod_sets if item.name == target.get("jobName")), None)
        for place, name in enumerate(target.get("containerNames", [])):
            container = _find(pods, name)
            if container is None:
                missing.append(_missing(build, (index, "containerNames", place), target.get("jobName", ""), name))
            else:
                env.upsert_policy_env(container.env, settings(), mark, build.ledger)
    if missing:
        raise InvalidInput(missing)


def _find(pods: PodSet | None, name: str) -> PodContainer | None:
    containers = [*pods.containers, *pods.init_containers] if pods is not None else []
    return next((item for item in containers if item.name == name), None)


def _missing(build: Build, place: FieldPath, job: str, name: str) -> Finding:
    path = build.runtime_mark.at("mlPolicy", "torch", "envInjection", "targets", *place).path
    have = [f'"{pods.name}"' for pods in build.pod_sets]
    message = f'envInjection names container "{name}" of job "{job}", which the template does not have'
    hint = f"jobs of the template: {', '.join(have)}" if have else None
    return finding("KF405", message, build.runtime_mark.document, path, hint=hint)
