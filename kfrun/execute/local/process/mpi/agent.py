"""The launch agent of MPI jobs: ssh and sshd of a cluster, in one. A program, run by its path; knows nothing of kfrun.

``agent.py serve FOLDER HOST [PORT]...`` is the main process of a pod that mpirun starts ranks in: what it is asked for
it starts as its child, so that it has the pod's environment, folder and log, and ends with the pod. ``agent.py start
FOLDER [OPTIONS] HOST WORDS...`` asks the agent of a host, as mpirun asks ssh. They meet at a socket in FOLDER.

A pod's ranks must not take another pod's shared memory for their own, whose name Open MPI makes of the machine's: so
what is started gets a host name of its own, where the system lets it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import signal
import socket
import sys
import time

_WITH_VALUE = frozenset("BbcDEeFIiJLlmOopQRSWw")
"""Options of ssh that another word follows."""
_UNREACHABLE = 255
"""ssh's exit code when there is no connection."""
_NEW_USER, _NEW_HOST_NAME = 0x10000000, 0x04000000


def main() -> int:
    """Do what the command line says."""
    what, folder, *words = sys.argv[1:]
    return serve(folder, words[0], *map(int, words[1:])) if what == "serve" else start(folder, words)


# The side of sshd


def serve(folder: str, host: str, *ports: int) -> int:
    """Start what is asked for, until a signal ends it all; who connects to one of the ports sees that we are here."""
    here = os.getcwd()
    # By its name alone: the path may be longer than a socket's may be.
    os.chdir(folder)
    listener = socket.socket(socket.AF_UNIX)
    # Of a name that none before it, killed on its way, can have left.
    new = f"{host}.{os.getpid()}"
    listener.bind(new)
    listener.listen(64)
    os.replace(new, host)
    os.chdir(here)
    _say(f"{host} waits for ranks{_name_host(host)}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    poller, probed = select.poll(), {one.fileno(): one for one in map(_listen, ports)}
    for descriptor in (listener.fileno(), *probed):
        poller.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            # Who asks in vain asks again, or is told that nobody is there: the pod lives on.
            with contextlib.suppress(OSError), probed.get(descriptor, listener).accept()[0] as connection:
                if descriptor not in probed and os.fork() == 0:
                    _answer_and_exit(connection)


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def _answer_and_exit(connection: socket.socket) -> None:
    try:
        _answer(connection)
    except (OSError, ValueError, LookupError, TypeError) as error:
        _say(f"what is asked for cannot be started: {error}")
    finally:
        os._exit(0)


def _answer(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rw") as stream:
        asked = json.loads(stream.readline())
        _say(f"starts ranks of {asked['from']}")
        shell = _in_shell(asked["words"])
        code = os.spawnv(os.P_WAIT, shell[0], shell)
        stream.write(f"{code if code >= 0 else 128 - code}\n")


def _in_shell(words: list[str]) -> list[str]:
    """As sshd does: the words, with blanks between them, are for the user's shell. Most shells are read by any."""
    shell = pwd.getpwuid(os.getuid()).pw_shell
    return [shell if shell.endswith("csh") else "/bin/sh", "-c", " ".join(words)]


def _name_host(host: str) -> str:
    """Give this process and its children a host name of their own; what to say where the system does not let us."""
    if _leave_host_name():
        socket.sethostname(host)
        return ""
    # Without what is named for the machine then: its ranks and its daemons would find those of other pods.
    os.environ.setdefault("OMPI_MCA_btl", "tcp,self")
    os.environ.setdefault("PMIX_MCA_gds", "hash")
    return "; they keep the machine's name, and use TCP among themselves"


def _leave_host_name() -> bool:
    if os.environ.get("KFRUN_PORTABLE") == "1":
        return False
    try:
        import ctypes

        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (ImportError, AttributeError, OSError):
        return False
    user, group = os.geteuid(), os.getegid()
    if unshare(_NEW_HOST_NAME) == 0:
        return True
    if unshare(_NEW_USER | _NEW_HOST_NAME) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    return True


def _say(text: str) -> None:
    sys.stdout.write(f"launch agent: {text}\n")
    sys.stdout.flush()


# The side of ssh


def start(folder: str, words: list[str]) -> int:
    """Have a command started on a host, and end as it ends."""
    options, host, command = _parse(words)
    if not command:
        return _fail(f"no command for {host or 'any host'}")
    me = os.environ.get("KFRUN_HOST", "")
    if host == me:
        # The launcher counts as a node, and nobody listens there: mpirun itself is the pod's main process.
        _name_host(host)
        shell = _in_shell(command)
        os.execv(shell[0], shell)
    attempts = next((int(word[19:]) for word in options if word.startswith("ConnectionAttempts=")), 1)
    connection = _connect(folder, host, attempts)
    if connection is None:
        return _fail(f"nobody answers at {host}: its pod does not run, or its container runs something else than sshd")
    with connection, connection.makefile("rw") as stream:
        stream.write(json.dumps({"from": me, "words": command}) + "\n")
        stream.flush()
        code = stream.readline()
    return int(code) if code else _fail(f"the pod {host} ended")


def _parse(words: list[str]) -> tuple[list[str], str, list[str]]:
    """Options, the host's own name, and the command, of words for ssh."""
    options, rest = [], list(words)
    while rest and rest[0].startswith("-"):
        options.append(rest.pop(0))
        if options[-1] == "--":
            break
        if options[-1][-1] in _WITH_VALUE and len(options[-1]) == 2:
            options += rest[:1]
            del rest[:1]
    host = rest.pop(0) if rest else ""
    return options, host.rpartition("@")[2].partition(".")[0], rest


def _connect(folder: str, host: str, attempts: int) -> socket.socket | None:
    os.chdir(folder)
    # ssh waits a second between its attempts
    until = time.monotonic() + attempts
    while host and "/" not in host:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(host)
        except OSError:
            connection.close()
        else:
            return connection
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    return None


def _fail(text: str) -> int:
    sys.stderr.write(f"launch agent: {text}\n")
    return _UNREACHABLE


if __name__ == "__main__":
    sys.exit(main())
