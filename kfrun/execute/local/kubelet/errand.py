"""A probe or a hook while it runs: a forked process that makes one call and tells what came of it.

It takes in whatever the call starts and disowns. With a timeout it ends all of that before it answers, at the latest
when the timeout is over; without one, what is left lives on with it, until somebody ends it: a hook may start what its
container needs.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING

from kfrun import masking
from kfrun.host import files, orphans
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_SLACK = 1.0
"""Seconds beyond the timeout after which nothing is awaited of the process itself."""

_HELD_UP = 0.25
"""Seconds after which a call that should have ended does not notice."""

_EXPIRED = "context deadline exceeded"
_LONGEST = 1024
"""Characters of a message: what an event takes."""


class Expired(Exception):
    """The timeout is over."""


class Reply(NamedTuple):
    """What came of a call.

    Attributes:
        passed: None when nobody knows.
        is_warning: it passed, but something is to be told.
    """

    passed: bool | None
    message: str = ""
    is_warning: bool = False


def begin(call: Callable[[], Reply], timeout: float | None) -> Errand:
    """Make a call in a process of its own, in which `Expired` is raised when ``timeout`` seconds are over."""
    try:
        reading, teller = os.pipe()
    except OSError as error:
        # None to spare, nor a process below: another time, perhaps.
        return Errand(0, -1, None, Reply(None, str(error)))
    try:
        pid = os.fork()
    except OSError as error:
        os.close(reading)
        os.close(teller)
        return Errand(0, -1, None, Reply(None, str(error)))
    if pid:
        os.close(teller)
        return Errand(pid, reading, None if timeout is None else time.monotonic() + timeout + _SLACK)
    try:
        _act(call, teller, timeout)
    finally:
        os._exit(0)


class Errand:
    """One that runs.

    Attributes:
        due: when it is not waited for any longer, None for never; of a clock that nobody sets.
    """

    def __init__(self, pid: int, reading: int, due: float | None, known: Reply | None = None) -> None:
        self.due = due if known is None else time.monotonic()
        self._pid = pid
        self._reading = reading
        self._known = known
        if reading >= 0:
            os.set_blocking(reading, False)

    def descriptors(self) -> list[int]:
        """Readable when there is an answer."""
        return [self._reading] if self._reading >= 0 else []

    def answer(self) -> Reply | None:
        """What came of it, once."""
        if self._reading < 0:
            known, self._known = self._known, None
            return known
        try:
            data = os.read(self._reading, 1 << 16)
        except BlockingIOError:
            if self.due is None or time.monotonic() < self.due:
                return None
            self.end()
            return Reply(False, "it did not end with its timeout and was killed")
        self._close()
        try:
            reply = Reply(*json.loads(data))
        except ValueError:
            return Reply(None, "it was killed")
        # What it says goes into events.
        return reply._replace(message=masking.script(reply.message))

    def end(self) -> None:
        """End it, and what it has started."""
        self._close()
        if not self._pid:
            return
        pid, self._pid = self._pid, 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        asked = time.monotonic()
        # Whoever tidies up behind recorders that were killed may have taken it.
        with contextlib.suppress(ChildProcessError):
            while not os.waitpid(pid, os.WNOHANG)[0] and time.monotonic() < asked + 2 * _SLACK:
                if time.monotonic() > asked + _SLACK:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.001)

    def _close(self) -> None:
        if self._reading >= 0:
            os.close(self._reading)
        self._reading = -1


def _act(call: Callable[[], Reply], teller: int, timeout: float | None) -> None:
    os.setsid()
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    # Whatever the supervisor had open must not live on here: its own lock above all.
    files.close_all_but(teller)
    orphans.become_subreaper()
    threading.Thread(target=_mind, args=(teller, timeout, told), daemon=True).start()
    if timeout is not None:
        signal.signal(signal.SIGALRM, _expire)
        signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        answer = call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Expired:
        answer = Reply(False, _EXPIRED)
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor has to learn that there is no answer
        answer = Reply(None, str(error) or error.__class__.__name__)
    if timeout is not None:
        _end_below()
    told.set()
    os.write(teller, _told(answer))
    os.close(teller)
    # What is left of a hook is our child, or becomes it.
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, 0):
            pass


def _mind(teller: int, timeout: float | None, told: threading.Event) -> None:
    """See to it that there is an end when nobody listens any more, or when the call cannot be interrupted.

    A supervisor that was killed ends nothing, and whoever waits for a name server notices no signal.
    """
    poller = select.poll()
    poller.register(teller, 0)
    is_left = bool(poller.poll(None if timeout is None else (timeout + _HELD_UP) * 1000))
    if told.is_set():
        return
    if is_left:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(_HELD_UP)
    _end_below()
    if not told.is_set():
        with contextlib.suppress(OSError):
            os.write(teller, _told(Reply(False, _EXPIRED)))
    os._exit(0)


def _told(reply: Reply) -> bytes:
    """As it passes the pipe in one piece."""
    data = json.dumps(reply._replace(message=reply.message[:_LONGEST])).encode()
    while len(data) > select.PIPE_BUF:
        reply = reply._replace(message=reply.message[:_LONGEST][: len(reply.message) // 2])
        data = json.dumps(reply).encode()
    return data


def _expire(*_: object) -> None:
    raise Expired


def _leave(*_: object) -> None:
    _end_below()
    os._exit(0)


def _end_below() -> None:
    """End everything below this process; nothing flees while it looks, since orphans come to us."""
    for _ in range(100):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        below = orphans.descendants(os.getpid(), lambda _: False)
        if not below:
            return
        for pid in below:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                # Where orphans do not come to us, at least what stayed in its group.
                (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, signal.SIGKILL)
        time.sleep(0.001)
