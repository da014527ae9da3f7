"""Logs of a run: read back, merged over nodes, and followed.

Bytes pass through untouched; what is added are prefixes, time stamps and, where another node's line follows, a
missing line break. Nothing is kept in memory but one chunk, however long a line is: copying is by offsets.

Of several nodes only what is finished is shown, or they would write into each other's lines: lines, and the updates of
progress bars, which end with a carriage return; one that is the last for a while counts as finished. Each has the
prefix, so that a bar goes on in its place on a terminal as long as no other node writes.

Interleaving goes by the indexes (`kfrun.observe.logtexts.TimeIndex`), a line's time being when it was finished.
"""

from __future__ import annotations

import heapq
import math
import re
import time
from typing import TYPE_CHECKING, Any, Literal

from kfrun.errors import NotFound
from kfrun.model.values import NamedTuple, dataclass, replace
from kfrun.observe import logtexts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from kfrun.observe.logtexts import JobLogs, LogFile, LogSource, TimeIndex

Attempts = Literal["current", "previous", "all"]

_CHUNK = 1 << 18
_RESCAN_SECONDS = 1.0
_SETTLED_NANOSECONDS = 100_000_000
"""A folder changed longer ago than this cannot change again without a new time stamp (clocks tick every 10 ms)."""
_STILL_SECONDS = 0.15
"""An update of a progress bar that was the last thing written for so long is finished."""
_MOST_RETURNS = 16
_UPDATE_SECONDS = 1.0
"""On a terminal, each node's bar takes a line of its own that often, when several grow: more nobody can read."""
_BEGIN = rb"(?<=\n)(?=[^\r]|\r\n)|(?<=\r)(?=[^\r\n])"
"""Where a line begins, or an update: behind a line's end, not between carriage returns that begin the same update."""
_COLOURS = (36, 33, 32, 35, 34, 31)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What to show of a run's logs, and how.

    Attributes:
        nodes: labels (``node-0``), indexes (``0``), names of pods or Jobs; empty for all.
        containers: names of containers; empty for all.
        attempts: the latest of each container, the one before it, or all of them.
        tail: only the last so many lines of each container.
        since: only lines finished at or after that time, seconds since the epoch.
        prefix: ``[node-0] `` before each line; None for where more than one container is shown.
        colour: colour the prefixes.
        terminal: finish the last line when the output ends within one, and leave away updates of progress bars that
            are over before somebody could read them.
    """

    nodes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    attempts: Attempts = "current"
    tail: int | None = None
    since: float | None = None
    timestamps: bool = False
    prefix: bool | None = None
    colour: bool = False
    terminal: bool = False


def follow(
    reader: LogReader, until: Callable[[], bool], *, pause: Callable[[float], None] = time.sleep, interval: float = 0.02
) -> None:
    """Write what there is and then what comes, new pods and restarts included, until ``until`` says that all is over.

    Args:
        reader: of the run.
        until: asked before each look; once it is True everything written before is shown and the function returns.
        pause: waits so many seconds; a caller may draw or wait for something else meanwhile.
        interval: seconds between looks.
    """
    reader.backlog()
    while not until():
        reader.advance()
        pause(interval)
    reader.finish()


def previous(logs: JobLogs, options: LogOptions) -> tuple[LogSource, LogOptions]:
    """Where the previous logs are: an earlier attempt of the run, else the run that it replaced.

    Raises:
        NotFound: there is neither.
    """
    options = replace(options, attempts="previous")
    run, replaced = logs.run(), logs.replaced()
    if select(run.files(), options):
        return run, options
    if replaced is not None and replaced.files():
        return replaced, replace(options, attempts="current")
    raise NotFound("there are no previous logs: no container was restarted and no earlier run was replaced")


def select(files: Sequence[LogFile], options: LogOptions) -> list[LogFile]:
    """Those of ``files`` that the options ask for, in the same order."""
    wanted = [file for file in files if _matches(file, files, options)]
    places: dict[tuple[str, int, str], list[LogFile]] = {}
    for file in wanted:
        places.setdefault(file.place, []).append(file)
    if options.attempts == "all":
        return wanted
    if options.attempts == "previous":
        return [attempts[-2] for attempts in places.values() if len(attempts) > 1]
    return [attempts[-1] for attempts in places.values()]


def _matches(file: LogFile, files: Sequence[LogFile], options: LogOptions) -> bool:
    if options.containers and file.container not in options.containers:
        return False
    if not options.nodes or {file.node, file.pod, file.job} & set(options.nodes):
        return True
    # A bare index means the trainer's nodes, where the job has initializers or a launcher beside them.
    trainer = file.replicated_job == "node" or all(other.replicated_job != "node" for other in files)
    return trainer and str(file.index) in options.nodes


def containers(jobset: Mapping[str, Any], lists: tuple[str, ...] = ("containers",)) -> int:
    """How many containers of these lists a JobSet has over all its pods."""
    total = 0
    for group in jobset.get("spec", {}).get("replicatedJobs", ()):
        job = group.get("template", {}).get("spec", {})
        pod = job.get("template", {}).get("spec", {})
        each = max(1, sum(len(pod.get(name, ())) for name in lists))
        total += group.get("replicas", 1) * job.get("parallelism", 1) * each
    return total


class _Segment(NamedTuple):
    """What a stream holds up to ``size`` was finished at ``time``."""

    time: float
    stream: _Stream
    size: int


class _Stream:
    """One log file being copied: how far it is written, and how far it was searched for the end of a line."""

    def __init__(self, file: LogFile, source: LogSource, damaged: list[str]) -> None:
        self.file = file
        self._text = source.open(file)
        self._damaged = damaged
        self.position = 0
        self.shown_at = 0.0
        self._last = b"\n"
        self._is_broken = False
        self._searched = self._found = 0
        self._grown = (0, 0.0)

    def close(self) -> None:
        self._text.close()

    def state(self) -> tuple[int, float]:
        """How much there is now, and when it was written last."""
        size, changed = self._text.state()
        if size < self.position:
            # The job itself truncated its output: show what it writes from now on.
            self.position = self._searched = self._found = size
        self.position = max(self.position, self._text.start())
        return size, changed

    def skip(self, options: LogOptions) -> None:
        """Move to the first byte that the options let through."""
        size, changed = self.state()
        start = 0 if options.since is None else self._start_since(options.since, size, changed)
        if options.tail is not None:
            start = max(start, logtexts.tail_start(self._text.read, size, options.tail))
        self.position = self._searched = self._found = max(start, self._text.start())

    def _start_since(self, since: float, size: int, changed: float) -> int:
        index = self._index()
        known = index.size_at(since)
        if known is None:
            if changed < since:
                return size
            # Written since, but after the last sample: what that one counted is older.
            known = index[len(index) - 1].size if len(index) else 0
        return logtexts.line_end(self._text.read, 0, min(known, size))

    @property
    def is_within_line(self) -> bool:
        """Whether what is shown of it ends within a line."""
        return self._last != b"\n"

    def _index(self) -> TimeIndex:
        index = self._text.index()
        if index.damage and index.damage not in self._damaged:
            self._damaged.append(index.damage)
        return index

    def finished(self, size: int) -> int:
        """The end of what is finished before ``size``; a long line is searched only once, however it grows."""
        if size == self.position:
            return size
        low = max(self.position, self._searched)
        found = logtexts.update_end(self._text.read, low, size)
        # The very last byte is looked at again: it may have become the end of an update.
        self._searched = max(self._searched, size - 1)
        self._found = found if found > low else max(self._found, self.position)
        if self._found < size and self._is_still(size):
            return size
        length = self._found - self.position
        # Carriage returns alone, as they begin updates, are nothing to show.
        is_empty = length < _MOST_RETURNS and not self._text.read(length, self.position).strip(b"\r")
        return self.position if is_empty else self._found

    def _is_still(self, size: int) -> bool:
        """Whether what is not finished is an update of a bar, and has been the last thing for a while."""
        if self._grown[0] != size:
            self._grown = size, time.monotonic()
        if time.monotonic() < self._grown[1] + _STILL_SECONDS:
            return False
        returns = (self._text.read(1, place) for place in (self._found - 1, size - 1) if place >= 0)
        if b"\r" in returns:
            return True
        # The begin of a line: there is no need to look again before it grows.
        self._grown = size, math.inf
        return False

    def has_line(self, end: int) -> bool:
        """Whether a line ends between what was shown and ``end``."""
        return logtexts.line_end(self._text.read, self.position, end) > self.position

    def skip_updates(self, end: int) -> None:
        """Leave away all updates before ``end`` but the last one."""
        self.position = logtexts.update_end(self._text.read, self.position, end - 1)

    def copy(self, end: int, head: bytes, write: Callable[[bytes], object]) -> None:
        """Write everything up to ``end``, each line and each update with ``head`` before it."""
        while self.position < end:
            chunk = self._text.read(min(_CHUNK, end - self.position), self.position)
            if not chunk:
                return
            self.position += len(chunk)
            if self._is_broken:
                chunk = self._without_break(chunk)
            if chunk:
                write(_headed(chunk, head, self._last) if head else chunk)
                self._last = chunk[-1:]

    def break_line(self) -> bytes:
        """The line break that is missing where another stream writes."""
        self._last, self._is_broken = b"\n", True
        return b"\n"

    def _without_break(self, chunk: bytes) -> bytes:
        """What follows a line that was broken: its own end was written already."""
        self._is_broken = chunk == b"\r"
        if chunk.startswith(b"\n"):
            return chunk[1:]
        return chunk[2:] if chunk.startswith(b"\r\n") else chunk

    def segments(self, size: int, changed: float) -> Iterator[_Segment]:
        """When the bytes up to ``size`` were written: by the index, and what it does not cover by the file's time."""
        latest, covered = 0.0, self.position
        for sample in self._index().after(self.position):
            latest, covered = sample.time, min(sample.size, size)
            yield _Segment(latest, self, covered)
            if covered == size:
                return
        if covered < size:
            yield _Segment(max(latest, changed), self, size)


def _headed(chunk: bytes, head: bytes, last: bytes) -> bytes:
    """``chunk``, which follows the byte ``last``, with ``head`` before each line."""
    if last == b"\r" or (b"\r" in chunk and chunk.count(b"\r") > chunk.count(b"\r\n")):
        return _headed_updates(chunk, head, last)
    first = head if last == b"\n" else b""
    if chunk.endswith(b"\n"):
        return b"".join((first, chunk[:-1].replace(b"\n", b"\n" + head), b"\n"))
    return first + chunk.replace(b"\n", b"\n" + head)


def _headed_updates(chunk: bytes, head: bytes, last: bytes) -> bytes:
    """As `_headed`, with ``head`` also behind the carriage returns that end an update."""
    return re.sub(_BEGIN, head.replace(b"\\", rb"\\"), last + chunk)[len(last) :]


def _stamp(seconds: float) -> bytes:
    """RFC 3339 with nanoseconds, as kubectl writes it."""
    whole = int(seconds)
    fraction = int((seconds - whole) * 1e9)
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{fraction:09d}Z ", time.gmtime(whole)).encode()


class LogReader:
    """Writes the logs of one run, once or bit by bit. Use it as a context manager, or close it.

    Call `backlog` first, then `advance` as often as you like (some 50 times a second shows lines within 20 ms), then
    `finish`. `follow` does just that.

    Args:
        source: the run's logs.
        options: what to show.
        write: gets chunks of bytes in order; the reader keeps none back.

    Attributes:
        unreadable: of each log that cannot be read, which and why.
        damaged: what is wrong with the times of logs.
    """

    def __init__(self, source: LogSource, options: LogOptions, write: Callable[[bytes], object]) -> None:
        self._source = source
        self._options = options
        self._write = write
        self._streams: dict[str, _Stream] = {}
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}
        self._labels: dict[str, int] = {}
        self._open_line: _Stream | None = None
        self._signature: tuple[int, ...] | None = None
        self._rescan_at = 0.0
        self.unreadable: list[str] = []
        self.damaged: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()

    @property
    def labels(self) -> tuple[str, ...]:
        """The containers seen so far that the options ask for."""
        return tuple(self._labels)

    def backlog(self) -> None:
        """Write what there is, in order of time over all nodes; lines that are not finished yet are kept for later.

        Raises:
            NotFound: the logs were deleted meanwhile.
        """
        try:
            self._scan(select(self._source.files(), self._options))
            for stream in self._streams.values():
                stream.skip(self._options)
            self._merge(list(self._streams.values()))
        except FileNotFoundError as error:
            raise NotFound("the job and its logs were deleted meanwhile") from error

    def advance(self) -> bool:
        """Write what came since, including that of new pods and restarts; False when there was nothing."""
        self._look_for_files()
        written = False
        for stream in list(self._streams.values()):
            size, changed = stream.state()
            superseded = self._seen[stream.file.place] > (stream.file.created, stream.file.restart)
            written |= self._drain(stream, size, changed, last=superseded and self._options.attempts == "current")
            if superseded and self._options.attempts == "current":
                self._streams.pop(stream.file.name).close()
        return written

    def finish(self) -> None:
        """Write the rest of everything, unfinished lines too; nothing may be writing any more."""
        self._rescan_at = 0.0
        self.advance()
        for stream in self._streams.values():
            size, changed = stream.state()
            self._drain(stream, size, changed, last=True)
        if self._options.terminal:
            self.break_line()

    def break_line(self) -> None:
        """End the line that is open, if one is: somebody else is going to write to the terminal."""
        if self._open_line is not None:
            self._end_line()

    def _look_for_files(self) -> None:
        if self._options.attempts == "previous":
            return
        now = time.monotonic()
        found = self._source.signature()
        settled = time.time_ns() - max(found) > _SETTLED_NANOSECONDS
        if found == self._signature and now < self._rescan_at:
            return
        # Until the folders' times are old enough to tell a further change, the next look must scan again.
        self._signature = found if settled else None
        self._rescan_at = now + _RESCAN_SECONDS
        files = self._source.files()
        wanted = [file for file in files if _matches(file, files, self._options)]
        self._scan([file for file in wanted if self._is_new(file)])

    def _is_new(self, file: LogFile) -> bool:
        return self._seen.get(file.place, (-1.0, 0)) < (file.created, file.restart)

    def _scan(self, files: Iterable[LogFile]) -> None:
        for file in files:
            try:
                self._streams[file.name] = _Stream(file, self._source, self.damaged)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.unreadable.append(f"the log {file.name} cannot be read: {error.strerror}")
            self._seen[file.place] = max(self._seen.get(file.place, (-1.0, 0)), (file.created, file.restart))
            self._labels.setdefault(file.label, len(self._labels))

    @property
    def _many(self) -> bool:
        return len(self._labels) > 1

    def _head(self, stream: _Stream, stamp: float) -> bytes:
        head = b""
        if self._many if self._options.prefix is None else self._options.prefix:
            label = stream.file.label
            head = f"[{label}] ".encode()
            if self._options.colour:
                colour = _COLOURS[self._labels[label] % len(_COLOURS)]
                head = f"\x1b[{colour}m[{label}]\x1b[0m ".encode()
        return head + _stamp(stamp) if self._options.timestamps else head

    def _merge(self, streams: Sequence[_Stream]) -> None:
        if len(streams) == 1 and not self._options.timestamps:
            self._drain(streams[0], *streams[0].state())
            return
        parts = heapq.merge(*(s.segments(*s.state()) for s in streams), key=lambda segment: segment.time)
        waiting: _Segment | None = None
        for part in parts:
            # Neighbours of one stream are copied in one go, unless their stamps differ.
            if waiting is not None and (part.stream is not waiting.stream or self._options.timestamps):
                self._drain(waiting.stream, waiting.size, waiting.time)
            waiting = part
        if waiting is not None:
            self._drain(waiting.stream, waiting.size, waiting.time)

    def _drain(self, stream: _Stream, size: int, stamp: float, *, last: bool = False) -> bool:
        """Write a stream up to ``size``: whole lines only where others write too, unless it is its ``last``."""
        hold = self._many and not last
        end = stream.finished(size) if hold else size
        written = end > stream.position
        if written and hold and self._options.terminal and self._open_line is not stream and not stream.has_line(end):
            now = time.monotonic()
            if now < stream.shown_at + _UPDATE_SECONDS:
                return False
            stream.shown_at = now
            stream.skip_updates(end)
        if written:
            if self._open_line not in (None, stream):
                self._end_line()
            stream.copy(end, self._head(stream, stamp), self._write)
            self._open_line = stream if stream.is_within_line else None
        if last and self._many and self._open_line is stream:
            self._end_line()
        return written

    def _end_line(self) -> None:
        assert self._open_line is not None
        self._write(self._open_line.break_line())
        self._open_line = None
