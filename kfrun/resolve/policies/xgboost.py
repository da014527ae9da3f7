"""The xgboost policy: Rabit's tracker as ``DMLC_*`` environment. Source: upstream's XGBoost plugin.

Nothing starts the tracker: the program on rank 0 does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.resolve import env
from kfrun.resolve.podsets import PORT, counting_resources, set_count, trainer_container
from kfrun.resolve.policies import counts

if TYPE_CHECKING:
    from kfrun.resolve.podsets import Build


def enforce(build: Build) -> None:
    """Set the trainer's count and inject the tracker's address, the node's index and the number of workers."""
    pods = build.trainer_pod_set()
    set_count(build, pods)
    container = trainer_container(build, pods)
    if pods is None or container is None:
        return
    mark = build.runtime_mark.at("mlPolicy", "xgboost").as_policy("xgboost")
    workers = pods.count * max(1, counts.gpus(counting_resources(build)))
    settings = [
        env.literal("DMLC_TRACKER_URI", build.rank_zero),
        env.literal("DMLC_TRACKER_PORT", str(PORT)),
        env.completion_index("DMLC_TASK_ID"),
        env.literal("DMLC_NUM_WORKER", str(workers)),
    ]
    env.upsert_policy_env(container.env, settings, mark, build.ledger)
    container.add_port(build.ledger.place({"containerPort": PORT}, mark))
