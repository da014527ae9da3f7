"""The logs of several jobs as those of one: each line's label begins with its job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.model.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.observe.logtexts import JobLogs, LogFile, LogSource, LogText


class JointSource:
    """The sources of several jobs as one.

    Args:
        sources: by the name of their job.
    """

    def __init__(self, sources: Mapping[str, LogSource]) -> None:
        self._sources = sources
        self._places: dict[str, tuple[LogSource, LogFile]] = {}

    def files(self) -> Sequence[LogFile]:
        """See `LogSource`: job by job."""
        found = []
        for name, source in self._sources.items():
            for file in source.files():
                joint = replace(file, name=f"{name}/{file.name}", label=f"{name}/{file.label}")
                self._places[joint.name] = source, file
                found.append(joint)
        return found

    def signature(self) -> tuple[int, ...]:
        """See `LogSource`."""
        return tuple(value for source in self._sources.values() for value in source.signature())

    def open(self, file: LogFile) -> LogText:
        """See `LogSource`."""
        source, own = self._places[file.name]
        return source.open(own)


class JointLogs:
    """The logs of several jobs, by their names."""

    def __init__(self, logs: Mapping[str, JobLogs]) -> None:
        self._logs = logs
        self._left = dict(logs)

    @property
    def deleted(self) -> bool:
        """Whether one of the jobs is gone."""
        return any(logs.deleted for logs in self._logs.values())

    def run(self) -> LogSource:
        """See `JobLogs`."""
        return JointSource({name: logs.run() for name, logs in self._logs.items()})

    def replaced(self) -> LogSource | None:
        """See `JobLogs`."""
        found = {name: logs.replaced() for name, logs in self._logs.items()}
        there = {name: source for name, source in found.items() if source is not None}
        return JointSource(there) if there else None

    def installer(self) -> LogSource:
        """See `JobLogs`."""
        return JointSource({name: logs.installer() for name, logs in self._logs.items()})

    def ended(self) -> bool:
        """Whether nothing of any of them writes any more."""
        self._left = {name: logs for name, logs in self._left.items() if not logs.ended()}
        return not self._left
