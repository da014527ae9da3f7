"""Folders of pods in memory: how they are called, so that whoever knows a job finds all of them."""

from __future__ import annotations

import os

PLACE = "/dev/shm"  # noqa: S108 (folders of our own in it)


def of_job(uid: str) -> str:
    """What the paths of all of a job begin with."""
    return f"{PLACE}/kfrun-{os.getuid()}-{uid}-"


def of_pod(uid: str, pod: str) -> str:
    """For volumes; nobody else may enter it."""
    return f"{of_job(uid)}{pod}"


def beside(uid: str, pod: str) -> str:
    """For what processes of a pod write that run as somebody else; it goes when the pod does."""
    return f"{of_pod(uid, pod)}.open"
