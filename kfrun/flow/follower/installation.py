"""The installation of a job's packages, watched: what the installer says, and what goes on while it says nothing."""

from __future__ import annotations

import codecs
import io
import time
from collections import deque
from typing import TYPE_CHECKING

from kfrun.model.state import INSTALLING, true_condition
from kfrun.report.table import epoch
from kfrun.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.execute.backend import Backend
    from kfrun.model.state import StoredObject
    from kfrun.observe.logtexts import JobLogs, LogSource, LogText

_CHUNK = 1 << 16
_LOOK_SECONDS = 0.25
_SILENT_SECONDS = 5.0
_MOST_KEPT = 10
_TURNS = "|/-\\"
_MINUTE = 60


class Installation:
    """Tells of the installation of a job's packages; `look` is called again and again.

    Args:
        backend: where the job runs.
        job: the stored TrainJob.
        logs: its logs.
        tell: gets one line at a time, safe for a terminal: all that the installer says, and what is going on when it
            has said nothing for a while.
        live: draws the last line of a terminal anew, and takes it away when the line is empty. With it nothing else is
            told, and the installer's last lines are kept for when it fails.
    """

    def __init__(
        self,
        backend: Backend,
        job: StoredObject,
        logs: JobLogs,
        *,
        tell: Callable[[str], object],
        live: Callable[[str], object] | None,
    ) -> None:
        self._backend, self._job, self._tell, self._live = backend, job, tell, live
        self._lines = _Lines(logs.installer())
        self._kept = deque[str](maxlen=_MOST_KEPT)
        self._began: float | None = None
        self._looked = self._told = 0.0
        self._is_over = self._is_drawn = False
        self._turn = 0

    @property
    def is_live(self) -> bool:
        """Whether it has a line of its own."""
        return self._live is not None

    def look(self, *, final: bool = False) -> None:
        """Tell what is new; ``final``: nothing comes any more."""
        for line in self._lines.read(final=final):
            text = clean(line)
            if self._live is None:
                self._say(text)
            elif text:
                self._kept.append(text)
        if final:
            self.clear()
            return
        now = time.monotonic()
        if not self._is_over and now >= self._looked + _LOOK_SECONDS:
            self._looked = now
            self._show(now)

    def tell_kept(self) -> None:
        """What the installer said last, where it was not told as it came."""
        while self._kept:
            self._say(self._kept.popleft())

    def clear(self) -> None:
        """Take the line away: somebody else is going to write."""
        if self._is_drawn and self._live is not None:
            self._live("")
        self._is_drawn = False

    def close(self) -> None:
        """Nothing more is told."""
        self.clear()
        self._lines.close()

    def _say(self, text: str) -> None:
        self._told = time.monotonic()
        self._tell(f"{self._job.key.name}: {text}")

    def _show(self, now: float) -> None:
        found = self._backend.find(*self._job.key[1:])
        condition = None if found is None or found.uid != self._job.uid else true_condition(found.data, INSTALLING)
        if condition is None:
            self._is_over = self._began is not None
            self.clear()
            return
        if self._began is None:
            # Whoever looks later counts from the same moment.
            since = epoch(condition.get("lastTransitionTime")) or time.time()
            self._began, self._told = now - max(0.0, time.time() - since), now
        message, passed = clean(str(condition.get("message", ""))), span(now - self._began)
        if self._live is not None:
            self._turn += 1
            what = message.partition(": ")[2] or message
            self._live(f"{_TURNS[self._turn % len(_TURNS)]} {self._job.key.name}: environment {passed}: {what}")
            self._is_drawn = True
        elif now >= self._told + _SILENT_SECONDS:
            self._say(f"{message} ({passed})")


class _Lines:
    """The lines of the first text of a source, as they come; a progress bar's carriage return ends one, too."""

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._text: LogText | None = None
        self._offset = 0
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
        self._rest = ""

    def read(self, *, final: bool = False) -> list[str]:
        """The lines that were finished since the last call; ``final``: and what the text ends with."""
        if self._text is None:
            files = self._source.files()
            if not files:
                return []
            try:
                self._text = self._source.open(files[0])
            except OSError:
                return []
        while chunk := self._text.read(_CHUNK, self._offset):
            self._offset += len(chunk)
            self._rest += self._decoder.decode(chunk)
        *lines, self._rest = self._rest.split("\n")
        if final and self._rest:
            lines, self._rest = [*lines, self._rest], ""
        return [line.rstrip() for line in lines]

    def close(self) -> None:
        """Nothing more is read."""
        if self._text is not None:
            self._text.close()
            self._text = None


def span(seconds: float) -> str:
    """A span of time: ``4.2 s``, ``3 m 40 s``, ``1 h 2 m``."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} m {rest} s" if minutes < _MINUTE else f"{minutes // _MINUTE} h {minutes % _MINUTE} m"
