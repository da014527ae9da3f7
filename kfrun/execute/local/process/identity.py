"""As whom a container runs: what its security context and its pod's come to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = 0
_OF_CALLER = ("USER", "LOGNAME", "LNAME", "USERNAME", "MAIL")
"""Variables that a login sets, and folders of its own: no container runtime does."""


class Identity(NamedTuple):
    """A user, and the groups that its processes are in; its folder, and its name if it is known."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    name: str = ""

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """The variables of whoever applied the job, without what they say of that one where this is somebody else."""
        if self.uid == os.geteuid():
            return {**base, "HOME": self.home}
        kept = {name: value for name, value in base.items() if name not in _OF_CALLER and not name.startswith("XDG_")}
        named = {"USER": self.name, "LOGNAME": self.name} if self.name else {}
        return {**kept, **named, "HOME": self.home}

    def reaches(self, path: str) -> bool:
        """Whether it may enter all folders above a path."""
        while path != "/":
            path = os.path.dirname(path)
            found = os.stat(path)
            shift = 6 if found.st_uid == self.uid else 3 if found.st_gid in (self.gid, *self.groups) else 0
            if not found.st_mode >> shift & 1:
                return False
        return True

    def assume(self) -> None:
        """Become it: a process that does cannot go back.

        Raises:
            OSError: it may not.
        """
        os.setgroups(self.groups)
        os.setgid(self.gid)
        os.setuid(self.uid)


def objection(pod: Mapping[str, Any], container: Mapping[str, Any], called: str) -> str:
    """Why a kubelet refuses to create the container, empty when it does not; ``called`` is the pod with its uid."""
    wanted = _effective(pod, container)
    if not wanted.get("runAsNonRoot"):
        return ""
    user, where = wanted.get("runAsUser"), f"(pod: {called}, container: {container['name']})"
    if user == _ROOT:
        return f"container's runAsUser breaks non-root policy {where}"
    if user is None and os.geteuid() == _ROOT:
        return f"container has runAsNonRoot and image will run as root {where}"
    return ""


def of(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Identity | None:
    """As whom its processes are started; None for whoever runs kfrun, because nobody else is asked for or allowed."""
    own, wanted = pod.get("securityContext") or {}, _effective(pod, container)
    further = [*own.get("supplementalGroups", ()), *([own["fsGroup"]] if own.get("fsGroup") is not None else [])]
    user, group = wanted.get("runAsUser"), wanted.get("runAsGroup")
    if os.geteuid() != _ROOT or (user is None and group is None and not further):
        return None
    uid = os.geteuid() if user is None else int(user)
    name, primary, home = _known(uid)
    gid = primary if group is None else int(group)
    merged = own.get("supplementalGroupsPolicy", "Merge") == "Merge"
    groups = os.getgrouplist(name, gid) if merged and name else [gid]
    return Identity(uid, gid, tuple(dict.fromkeys([*groups, *further])), home, name)


def _effective(pod: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    """The container's own wishes before those of its pod."""
    found: dict[str, Any] = {}
    for context in (pod.get("securityContext") or {}, container.get("securityContext") or {}):
        found |= {key: value for key, value in context.items() if value is not None}
    return found


def _known(uid: int) -> tuple[str, int, str]:
    """Name, group and home of a user; one that nobody knows is in root's group, as in a container."""
    import pwd

    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        return "", _ROOT, "/"
    return found.pw_name, found.pw_gid, found.pw_dir
