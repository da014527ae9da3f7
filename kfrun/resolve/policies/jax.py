"""The jax policy: the settings of ``jax.distributed`` as ``JAX_*`` environment. Source: upstream's JAX plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.resolve import env
from kfrun.resolve.podsets import PORT, set_count, trainer_container

if TYPE_CHECKING:
    from kfrun.resolve.podsets import Build


def enforce(build: Build) -> None:
    """Set the trainer's count and inject the coordinator's address, the port and the ranks.

    The TrainJob's environment is not added here, so it stands behind these settings, and replaces them.
    """
    pods = build.trainer_pod_set()
    set_count(build, pods)
    container = trainer_container(build, pods)
    if pods is None or container is None:
        return
    mark = build.runtime_mark.at("mlPolicy", "jax").as_policy("jax")
    settings = [
        env.literal("JAX_NUM_PROCESSES", str(pods.count)),
        env.completion_index("JAX_PROCESS_ID"),
        env.literal("JAX_COORDINATOR_ADDRESS", f"{build.rank_zero}:{PORT}"),
    ]
    env.upsert_policy_env(container.env, settings, mark, build.ledger)
    container.add_port(build.ledger.place({"containerPort": PORT}, mark))
