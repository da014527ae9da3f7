"""The plain policy: no distributed environment. Active where no other policy brings its own.

Source: upstream's PlainML plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.resolve import env
from kfrun.resolve.podsets import NODE

if TYPE_CHECKING:
    from kfrun.resolve.podsets import Build


def enforce(build: Build) -> None:
    """Set the trainer's count and put the TrainJob's environment into its container."""
    pods = build.trainer_pod_set()
    trainer = build.trainer
    if pods is None or trainer is None:
        return
    if "numNodes" in trainer:
        pods.count = trainer["numNodes"]
    container = pods.container(NODE)
    if container is not None:
        entries = trainer.get("env", [])
        env.upsert_user_env(container.env, entries, build.job_mark.at("trainer", "env"), build.ledger)
