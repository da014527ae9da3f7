"""The plain policy: no distributed environment. Active where no other policy brings its own.

Source: upstream's PlainML plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.resolve import env
from kfrun.resolve.podsets import set_count, trainer_container

if TYPE_CHECKING:
    from kfrun.resolve.podsets import Build


def enforce(build: Build) -> None:
    """Set the trainer's count and put the TrainJob's environment into its container."""
    pods = build.trainer_pod_set()
    set_count(build, pods)
    container = trainer_container(build, pods)
    if container is not None:
        entries = (build.trainer or {}).get("env", [])
        env.upsert_user_env(container.env, entries, build.job_mark.at("trainer", "env"), build.ledger)
