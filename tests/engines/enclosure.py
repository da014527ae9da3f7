"""Namespaces that an engine of the tests lives in: its processes, mounts, bridges and firewall rules end with it.

Called by ``docker``. What the kernel removes cannot be left over: the enclosure closes when its standard input does,
which the death of the tests brings about in whatever way they die. Files, programs and devices are the machine's own,
and a socket that is a file is reached from outside; ports of containers are not. Needs root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.engines import packages
from tests.engines.packages import EngineUnavailable

PACKAGES = {
    "unshare": "util-linux",
    "ip": "iproute2",
    "tini": "tini",
    "slirp4netns": "slirp4netns",
}
_NAMESERVER = "10.0.2.3"
"""Where slirp4netns answers for the resolver of the machine."""

# Both get the folder, the name of the cgroups and a command. This one stays outside, tells the process id of the
# namespaces and cleans up when they are gone, even where the tests were killed.
_OUTSIDE = """
folder=$1 name=$2
shift 2
exec 3<&0 < /dev/null
"$@" <&3 3<&- &
echo $!
exec 3<&-
wait
find /sys/fs/cgroup/"$name" /sys/fs/cgroup/*/"$name" -depth -type d -exec rmdir {} + 2> /dev/null
rm -rf "$folder"
"""

# This one tells that the namespaces are there, then waits for their network, then for the end.
_INSIDE = """
set -eu
folder=$1
shift 1
mkdir "$folder/data"
for private in "$folder/data" /run/docker /run/containerd; do
  mkdir -p "$private"
  mount -t tmpfs tmpfs "$private"
done
mount --bind "$folder/resolv.conf" /etc/resolv.conf
ip link set lo up
echo made
exec >&2
read -r _
"$@" < /dev/null &
read -r _ || true
"""


class Enclosure:
    """Namespaces with a folder, a network that reaches what the machine reaches, and one program in them."""

    def __init__(self) -> None:
        # not below the folders of pytest: the path of a socket has at most 107 bytes
        self.folder = Path(tempfile.mkdtemp(prefix="kfrun-engine-", dir="/var/tmp"))
        self.cgroup = self.folder.name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._process: subprocess.Popen[str] | None = None
        self._network: subprocess.Popen[bytes] | None = None
        self._open: int | None = None

    def start(self, *command: str) -> None:
        """Make the namespaces and start the program in them.

        Raises:
            EngineUnavailable: this machine does not allow it.
        """
        (self.folder / "resolv.conf").write_text(f"nameserver {_NAMESERVER}\n")
        folder, environ = str(self.folder), {**os.environ, "PATH": packages.SEARCHED}
        namespaces = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "tini", "--")
        inside = (*namespaces, "sh", "-c", _INSIDE, "sh", folder, *command)
        self._process = subprocess.Popen(
            ["sh", "-c", _OUTSIDE, "sh", folder, self.cgroup, *inside],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environ,
            start_new_session=True,
        )
        assert self._process.stdout
        assert self._process.stdin
        told = sorted(self._process.stdout.readline().strip() for _ in range(2))
        if told[1] != "made":
            raise EngineUnavailable(f"no namespaces of our own: {self.log()}")
        self._connect(told[0], environ)
        self._process.stdin.write("connected\n")
        self._process.stdin.flush()

    def _connect(self, process: str, environ: dict[str, str]) -> None:
        """Give the namespaces their network, without touching the machine's: no bridge, no rule."""
        ready, tell_ready = os.pipe()
        told_end, self._open = os.pipe()
        options = ("--configure", "--mtu=65520", "--disable-host-loopback")
        try:
            self._network = subprocess.Popen(
                ["slirp4netns", *options, f"--ready-fd={tell_ready}", f"--exit-fd={told_end}", process, "tap0"],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(tell_ready, told_end),
                env=environ,
                start_new_session=True,
            )
            os.close(tell_ready)
            tell_ready = -1
            if os.read(ready, 1) != b"1":
                raise EngineUnavailable(f"no network for our own namespaces: {self.log()}")
        finally:
            for descriptor in (ready, told_end, tell_ready):
                if descriptor >= 0:
                    os.close(descriptor)

    def is_running(self) -> bool:
        """Whether the namespaces are there; the program in them may have ended."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """The last lines that were written inside."""
        size = os.fstat(self._log.fileno()).st_size
        # what is written goes on where it was: reading must not move the common position
        text = os.pread(self._log.fileno(), 4000, max(0, size - 4000))
        return "\n".join(text.decode(errors="replace").splitlines()[-15:])

    def stop(self) -> None:
        """End the program, and with it everything that it left."""
        if self._process:
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.close()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                # unshare takes the first process of the namespaces with it, which takes all others
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)
            self._process.stdout.close()
        if self._open is not None:
            os.close(self._open)
        if self._network:
            self._network.wait(10)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
