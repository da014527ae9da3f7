"""Policies on container images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kfrun.validate.lint.subject import containers
from kfrun.validate.located import Problem
from kfrun.validate.rules.cel import get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import FieldPath
    from kfrun.validate.lint.subject import Subject

_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST: Final = r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?"
_IMAGE: Final = re.compile(rf"{_HOST}{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@\w+:[0-9a-fA-F]{{32,}})?", re.ASCII)
"""How an image is written: registry, repository, tag, digest (the reference grammar of container registries)."""


def moving_tag(subject: Subject) -> Iterator[Problem]:
    """KF701: no tag or ``latest``: another image tomorrow."""
    for path, image in _images(subject):
        _, colon, tag = image.rpartition("/")[2].partition(":")
        if "@" in image or not _IMAGE.fullmatch(image) or (colon and tag != "latest"):
            continue
        what = "the tag latest" if colon else "no tag, which means latest"
        yield Problem("KF701", path, f'image "{image}" has {what}: what it runs changes without a review')


def unreadable(subject: Subject) -> Iterator[Problem]:
    """KF702: admitted, and then no kubelet can pull it."""
    for path, image in _images(subject):
        if _IMAGE.fullmatch(image):
            continue
        reason = "holds a blank" if re.search(r"\s", image) else "is no image reference"
        yield Problem("KF702", path, f'image "{image}" {reason}: it is admitted, and its pods end as InvalidImageName')


def foreign_registry(subject: Subject) -> Iterator[Problem]:
    """KF718: an image from elsewhere than the team's registries."""
    allowed = subject.choice.registries
    for path, image in _images(subject) if allowed else ():
        if not image.startswith(allowed):
            yield Problem("KF718", path, f'image "{image}" comes from none of: {", ".join(allowed)}')


def _images(subject: Subject) -> Iterator[tuple[FieldPath, str]]:
    """Every image that the manifest itself names."""
    trainer = get(subject.data, "spec", "trainer", "image")
    if subject.is_job and isinstance(trainer, str) and trainer:
        yield ("spec", "trainer", "image"), trainer
    for path, container in containers(subject.data):
        image = container.get("image")
        if isinstance(image, str) and image:
            yield (*path, "image"), image
