"""What the processes of an MPI job are given, so that its mpirun starts ranks in the job's pods as on a cluster.

A hostfile in the job's folder, and `agent` in the place of ssh, in the launcher, and of sshd, in the nodes. The rest is
what all nodes being one machine makes necessary.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

from kfrun.host import files
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kfrun.model.resolution import Resolution

_MOUNTED: Final = "/etc/mpi/hostfile"
"""Where containers find the hostfile."""
_PROGRAM: Final = "kfrun-launch-agent"
_HOST: Final = "KFRUN_HOST"
"""Tells `agent`, which imports nothing of this, in which pod it is."""
_LOOPBACK: Final = "127.0.0.1/8"
_HERE: Final = {
    # Of Open MPI 4, and of the PRRTE of Open MPI 5.
    **dict.fromkeys(("OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent"), _PROGRAM),
    **dict.fromkeys(("OMPI_MCA_oob_tcp_if_include", "OMPI_MCA_btl_tcp_if_include"), _LOOPBACK),
    # Each node would bind its first rank to the first core, and wait busily for those that it keeps from running.
    **dict.fromkeys(("OMPI_MCA_hwloc_base_binding_policy", "PRTE_MCA_hwloc_default_binding_policy"), "none"),
    "OMPI_MCA_mpi_yield_when_idle": "1",
}
_SCRATCH: Final = (
    *("OMPI_MCA_orte_tmpdir_base", "PRTE_MCA_prte_tmpdir_base"),
    *("OMPI_MCA_btl_vader_backing_directory", "OMPI_MCA_btl_sm_backing_directory"),
)
"""Where what is killed leaves files, shared memory among them."""
_AS_ROOT: Final = (
    *("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"),
    *("PRTE_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM"),
)


def hostfile(resolution: Resolution) -> str:
    """The hostfile of a job of the ML policy mpi; empty for any other."""
    name = f"{resolution.job.key.name}-mpi-hostfile"
    found = (item for item in resolution.objects if item["kind"] == "ConfigMap" and item["metadata"]["name"] == name)
    return next((item["data"]["hostfile"] for item in found), "")


def is_daemon(argv: Sequence[str]) -> bool:
    """Whether a container of an MPI job waits for ranks, and `agent` takes its place."""
    return bool(argv) and os.path.basename(argv[0]) == "sshd"


def probed(container: Mapping[str, Any]) -> list[int]:
    """The ports at which a kubelet asks whether sshd of a container is there; of another container none."""
    if not is_daemon(container.get("command", ())):
        return []
    probes = [container.get(f"{name}Probe") or {} for name in ("startup", "readiness", "liveness")]
    asked = (probe["tcpSocket"].get("port") for probe in probes if probe.get("tcpSocket"))
    named = {item.get("name"): item["containerPort"] for item in container.get("ports", ())}
    found = (named.get(port, port) for port in asked)
    return list(dict.fromkeys(int(port) for port in found if str(port).isdigit()))


class Launchpad(NamedTuple):
    """What mpirun is pointed at, in a folder of the job's.

    Attributes:
        folder: of the job's own, where `prepare` writes.
        hosts: the hostfile.
    """

    folder: str
    hosts: str

    def prepare(self) -> None:
        """Write the hostfile and the program that mpirun starts ranks with, unless they are there.

        Raises:
            OSError: they cannot be written.
        """
        for folder in (self._programs, self._scratch):
            os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.path.exists(self._hostfile):
            return
        import shlex

        words = shlex.join([*self._agent("start"), self.folder])
        _write(f"{self._programs}/{_PROGRAM}", f'#!/bin/sh\nexec {words} "$@"\n', 0o700)
        _write(self._hostfile, self.hosts, 0o600)

    def clear(self) -> None:
        """Remove what ranks that were killed have left; none runs."""
        import shutil

        shutil.rmtree(self._scratch, ignore_errors=True)

    def environment(self, base: Mapping[str, str], own: Mapping[str, str], host: str) -> dict[str, str]:
        """The variables of a container: ``base``, what mpirun needs here, and ``own`` of the manifest."""
        as_root = dict.fromkeys(_AS_ROOT, "1") if os.geteuid() == 0 else {}
        here = {**_HERE, **dict.fromkeys(_SCRATCH, self._scratch), "PRTE_MCA_prte_default_hostfile": self._hostfile}
        path = own.get("PATH", base.get("PATH", os.defpath))
        mine = {name: self.text(value) for name, value in own.items()}
        return {**base, **here, **as_root, **mine, _HOST: host, "PATH": f"{self._programs}{os.pathsep}{path}"}

    def arguments(self, argv: list[str], host: str, ports: Iterable[int]) -> list[str]:
        """The command of a container; ``ports`` of this machine are those at which it is asked whether it is there."""
        if is_daemon(argv):
            return [*self._agent("serve"), self.folder, host, *map(str, ports)]
        return [self.text(word) for word in argv]

    def text(self, text: str) -> str:
        """What was written for a container, as it reads here."""
        return text.replace(_MOUNTED, self._hostfile)

    @property
    def _hostfile(self) -> str:
        return f"{self.folder}/hostfile"

    @property
    def _scratch(self) -> str:
        return f"{self.folder}/scratch"

    @property
    def _programs(self) -> str:
        return f"{self.folder}/bin"

    @staticmethod
    def _agent(what: str) -> list[str]:
        """Without anything of an environment of this user's: it must start quickly, whatever is installed."""
        return [sys.executable, "-I", "-S", os.path.join(os.path.dirname(__file__), "agent.py"), what]


def _write(path: str, text: str, mode: int) -> None:
    """Write a file whole or not at all."""
    with open(f"{path}.new", "w", encoding="utf-8", opener=files.opener) as file:
        file.write(text)
    os.chmod(f"{path}.new", mode)
    os.replace(f"{path}.new", path)
