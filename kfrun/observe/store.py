"""The store: objects, status, events, runs, those that were replaced, and port leases in one SQLite database.

Every kfrun on this host reads and writes it; supervisors are the only writers of a job's status. Objects are kept
in their Kubernetes form. Writers name the version that they read: `Conflict` means somebody else was faster.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from kfrun.errors import Conflict, StoreFailed
from kfrun.model.source import ObjectKey
from kfrun.model.state import Event, StoredObject
from kfrun.model.values import dataclass
from kfrun.observe.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_RESTING = 2
"""In the column ``ended``: not ended, but nothing happens before somebody asks for it."""

_HISTORY = """
CREATE TABLE history (
  namespace TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, uid TEXT NOT NULL, folder TEXT NOT NULL,
  backend TEXT NOT NULL, digest TEXT NOT NULL, run_digest TEXT NOT NULL, runtime TEXT NOT NULL, code TEXT NOT NULL,
  failure TEXT NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (namespace, name, number))"""

_STATES = """
CREATE TABLE states (
  id INTEGER PRIMARY KEY, uid TEXT NOT NULL, pod TEXT NOT NULL, state TEXT NOT NULL, UNIQUE (uid, pod))"""

_IN_PARTS = '{"pods":null,"sequence":9007199254740991}'
"""As the state of a run: it is in the table ``states``, that of each pod, and the rest, which is nobody's. Whoever
changes one pod does not write a thousand, nor the runtime and the list of files that stand beside it here. An earlier
kfrun takes it for later than any reserve, finds no pods in it, and says so."""

_TABLES = f"""
CREATE TABLE objects (
  kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  api_version TEXT NOT NULL, uid TEXT NOT NULL, owner TEXT NOT NULL, version INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (kind, namespace, name));
CREATE INDEX objects_by_owner ON objects (owner);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, owner TEXT NOT NULL, api_version TEXT NOT NULL, kind TEXT NOT NULL,
  namespace TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
  first REAL NOT NULL, last REAL NOT NULL, count INTEGER NOT NULL);
CREATE INDEX events_by_owner ON events (owner);
CREATE INDEX events_by_message ON events (owner, name, reason, message);
CREATE TABLE runs (
  uid TEXT NOT NULL PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, folder TEXT NOT NULL,
  backend TEXT NOT NULL, digest TEXT NOT NULL, run_digest TEXT NOT NULL, boot TEXT NOT NULL, request TEXT NOT NULL,
  ended INTEGER NOT NULL, runtime TEXT NOT NULL, state TEXT NOT NULL, previous TEXT NOT NULL,
  code TEXT NOT NULL DEFAULT '', number INTEGER NOT NULL DEFAULT 0);
{_HISTORY};
{_STATES};
CREATE TABLE ports (port INTEGER PRIMARY KEY, uid TEXT NOT NULL);
CREATE TABLE counter (version INTEGER NOT NULL);
INSERT INTO counter VALUES (0);
"""


@dataclass(frozen=True, slots=True)
class Run:
    """How a stored TrainJob runs on this host: what only kfrun knows of it.

    Attributes:
        folder: absolute folder of the job's files: workload, caller's environment, logs.
        digest, run_digest: see `kfrun.model.change.DesiredJob`.
        boot: the boot during which its processes were started.
        request: empty, ``cancel`` or ``delete``.
        ended: nothing of it runs any more and nothing will.
        resting: it is suspended and nothing of it runs: it needs no supervisor until somebody asks something of it.
        runtime: the runtime it was resolved with, as JSON (the snapshot).
        state: the supervisor's own state as JSON, without that of its pods (see `Store.state`); empty before it first
            ran.
        previous: folder of the run that this one replaced, empty when there is none.
        code: the code that it was started with, as `kfrun.model.code` writes it; empty where that is not known.
        number: counts the runs of this name, from 1.
    """

    uid: str
    namespace: str
    name: str
    folder: str
    backend: str
    digest: str
    run_digest: str
    boot: str
    request: str = ""
    ended: bool = False
    runtime: str = ""
    state: str = ""
    previous: str = ""
    resting: bool = False
    code: str = ""
    number: int = 1


@dataclass(frozen=True, slots=True)
class FormerRun:
    """A run that another one of its name has replaced; what is named as in `Run` means the same.

    Attributes:
        failure: the container that failed first, as JSON (see `kfrun.model.runstate.RunState`); empty for none.
        data: the TrainJob at its end, as JSON.
    """

    namespace: str
    name: str
    number: int
    uid: str
    folder: str
    backend: str
    digest: str
    run_digest: str
    runtime: str
    code: str
    failure: str
    data: str


class Store(Database):
    """The open store. Use it in one thread; close it, or use it as a context manager."""

    TABLES = _TABLES
    ADDED: ClassVar[dict[str, dict[str, str]]] = {
        "runs": {"code": "TEXT NOT NULL DEFAULT ''", "number": "INTEGER NOT NULL DEFAULT 0"},
        "history": {"": _HISTORY},
        "states": {"": _STATES},
    }

    # Objects

    def find(self, kind: str, namespace: str, name: str) -> StoredObject | None:
        """The object of that kind and name, or None. ``namespace`` is empty for cluster-scoped kinds."""
        with self._translated():
            row = self._db.execute(
                f"SELECT {_COLUMNS} FROM objects WHERE kind=? AND namespace=? AND name=?",
                (kind, namespace, name),
            ).fetchone()
        return None if row is None else _stored(row)

    def limited(self) -> list[StoredObject]:
        """The JobSets and Jobs that have a ttl, of all namespaces: see `kfrun.observe.expiry`."""
        query = f"SELECT {_COLUMNS} FROM objects WHERE kind IN ('JobSet', 'Job') AND instr(data, ?)"
        with self._translated():
            rows = self._db.execute(query, ('"ttlSecondsAfterFinished":',)).fetchall()
        return [_stored(row) for row in rows]

    def objects(
        self, kind: str, namespace: str | None = None, *, owner: str | None = None, begins: str = ""
    ) -> list[StoredObject]:
        """All objects of a kind by namespace and name; ``namespace`` None means all of them.

        ``begins`` asks for those whose names begin so.
        """
        query, values = f"SELECT {_COLUMNS} FROM objects WHERE kind=?", [kind]
        if namespace is not None:
            query, values = f"{query} AND namespace=?", [*values, namespace]
        if owner is not None:
            query, values = f"{query} AND owner=?", [*values, owner]
        if begins:
            query, values = f"{query} AND name>=? AND name<?", [*values, begins, begins + "\U0010ffff"]
        with self._translated():
            rows = self._db.execute(f"{query} ORDER BY namespace, name", values).fetchall()
        return [_stored(row) for row in rows]

    def create(self, data: dict[str, Any], *, owner: str = "") -> StoredObject:
        """Store a new object; ``metadata.uid`` must be set.

        Raises:
            Conflict: an object of that kind and name exists.
        """
        with self.writing(), self._translated():
            key, version = _key(data), self._next_version()
            text = _with_version(data, version)
            uid = data["metadata"]["uid"]
            self._db.execute(
                "INSERT INTO objects (kind, namespace, name, api_version, uid, owner, version, data)"
                " VALUES (?,?,?,?,?,?,?,?)",
                (key.kind, key.namespace, key.name, key.api_version, uid, owner, version, text),
            )
        return StoredObject(key, uid, version, owner, json.loads(text))

    def update(self, data: dict[str, Any], *, expected: int | None = None) -> int:
        """Replace a stored object and return its new version; ``expected`` is the version that was read.

        Raises:
            Conflict: the object was changed or removed since.
        """
        with self.writing(), self._translated():
            key, version = _key(data), self._next_version()
            query = "UPDATE objects SET data=?, version=? WHERE kind=? AND namespace=? AND name=? AND uid=?"
            values: list[object] = [_with_version(data, version), version, key.kind, key.namespace, key.name]
            values.append(data["metadata"]["uid"])
            if expected is not None:
                query, values = f"{query} AND version=?", [*values, expected]
            if self._db.execute(query, values).rowcount != 1:
                raise Conflict(f"{key.resource} was changed by another kfrun meanwhile", "try again")
        return version

    def put(self, data: dict[str, Any], *, owner: str) -> None:
        """Create or replace an object that only its owner's supervisor writes."""
        with self.writing(), self._translated():
            key, version = _key(data), self._next_version()
            self._db.execute(
                "INSERT OR REPLACE INTO objects (kind, namespace, name, api_version, uid, owner, version, data)"
                " VALUES (?,?,?,?,?,?,?,?)",
                (key.kind, key.namespace, key.name, key.api_version, data["metadata"]["uid"], owner, version,
                 _with_version(data, version)),
            )  # fmt: skip

    def delete(self, kind: str, namespace: str, name: str) -> bool:
        """Remove one object; False when there was none."""
        with self.writing(), self._translated():
            self._next_version()
            query = "DELETE FROM objects WHERE kind=? AND namespace=? AND name=?"
            return self._db.execute(query, (kind, namespace, name)).rowcount == 1

    def _next_version(self) -> int:
        self._db.execute("UPDATE counter SET version=version+1")
        return int(self._db.execute("SELECT version FROM counter").fetchone()[0])

    # Events

    def record(self, events: Sequence[Event]) -> None:
        """Store events; one that repeats an earlier one raises its count instead."""
        with self.writing(), self._translated():
            for event in events:
                self._record(event)

    def _record(self, event: Event) -> None:
        key = event.object
        found = self._db.execute(
            "SELECT id FROM events WHERE owner=? AND kind=? AND namespace=? AND name=? AND reason=? AND message=?",
            (event.owner, key.kind, key.namespace, key.name, event.reason, event.message),
        ).fetchone()
        if found:
            self._db.execute(
                "UPDATE events SET last=?, count=count+? WHERE id=?", (event.last_time, event.count, found[0])
            )
            return
        self._db.execute(
            "INSERT INTO events (owner, api_version, kind, namespace, name, type, reason, message, first, last, count)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                event.owner,
                *key,
                event.type,
                event.reason,
                event.message,
                event.first_time,
                event.last_time,
                event.count,
            ),
        )

    def events(
        self, namespace: str | None = None, *, owner: str | None = None, after: int = 0
    ) -> list[tuple[int, Event]]:
        """Events with their ids in order of recording, of a namespace, of a TrainJob's uid, or all."""
        query = (
            "SELECT id, api_version, kind, namespace, name, type, reason, message, first, last, count, owner"
            " FROM events WHERE id>?"
        )
        values: list[object] = [after]
        if namespace is not None:
            query, values = f"{query} AND namespace=?", [*values, namespace]
        if owner is not None:
            query, values = f"{query} AND owner=?", [*values, owner]
        with self._translated():
            rows = self._db.execute(f"{query} ORDER BY id", values).fetchall()
        return [(row[0], Event(ObjectKey(*row[1:5]), *row[5:])) for row in rows]

    # Runs

    @property
    def _run(self) -> str:
        """The columns of a run, as they can be asked for."""
        found = {name: f"'' AS {name}" if name in self.lacking else name for name in _RUN.split(", ")}
        if "states" not in self.lacking:
            parts = "SELECT states.state FROM states WHERE states.uid=runs.uid AND pod=''"
            found["state"] = f"CASE state WHEN '{_IN_PARTS}' THEN COALESCE(({parts}), state) ELSE state END AS state"
        return ", ".join({**found, "number": self._number}.values())

    @property
    def _number(self) -> str:
        """Of a run; one that an earlier kfrun started comes behind those that are known."""
        if {"number", "history"} & self.lacking:
            return "1 AS number"
        former = "SELECT MAX(number) FROM history WHERE history.namespace=runs.namespace AND history.name=runs.name"
        return f"CASE number WHEN 0 THEN 1 + COALESCE(({former}), 0) ELSE number END AS number"

    def run(self, uid: str) -> Run | None:
        """The run of the TrainJob with that uid."""
        with self._translated():
            row = self._db.execute(f"SELECT {self._run} FROM runs WHERE uid=?", (uid,)).fetchone()
        return None if row is None else _as_run(row)

    def wish(self, uid: str) -> tuple[str, str] | None:
        """What is asked of a run, and the digest of what it is to run (see `Run`), without reading all of it."""
        with self._translated():
            row = self._db.execute("SELECT request, run_digest FROM runs WHERE uid=?", (uid,)).fetchone()
        return None if row is None else (row[0], row[1])

    def runs(self, namespace: str | None = None) -> list[Run]:
        """All runs, or those of a namespace."""
        query = f"SELECT {self._run} FROM runs" + ("" if namespace is None else " WHERE namespace=?")
        with self._translated():
            rows = self._db.execute(query, () if namespace is None else (namespace,)).fetchall()
        return [_as_run(row) for row in rows]

    def runtimes(self) -> dict[str, str]:
        """The runtime (JSON) of every run by uid, without reading the rest of the runs."""
        with self._translated():
            return dict(self._db.execute("SELECT uid, runtime FROM runs").fetchall())

    def unended_runs(self, *, resting: bool = False) -> list[Run]:
        """Runs that a supervisor should be looking after; with ``resting`` those that need none just now as well."""
        condition = "ended<>1" if resting else "ended=0"
        with self._translated():
            rows = self._db.execute(f"SELECT {self._run} FROM runs WHERE {condition} ORDER BY uid").fetchall()
        return [_as_run(row) for row in rows]

    def has_unended_runs(self) -> bool:
        """Whether a supervisor should be looking after any run; cheap."""
        with self._translated():
            return self._db.execute("SELECT 1 FROM runs WHERE ended=0 LIMIT 1").fetchone() is not None

    def add_run(self, run: Run) -> None:
        """Store a new run."""
        with self.writing(), self._translated():
            values = [getattr(run, column) for column in _RUN.split(", ")]
            self._db.execute(f"INSERT INTO runs ({_RUN}) VALUES ({','.join('?' * len(values))})", values)

    def change_run(self, uid: str, **values: str | int) -> bool:
        """Set columns of a run; False when it is gone."""
        with self.writing(), self._translated():
            self._next_version()
            columns = ", ".join(f"{name}=?" for name in values)
            return self._db.execute(f"UPDATE runs SET {columns} WHERE uid=?", (*values.values(), uid)).rowcount == 1

    def state(self, uid: str) -> Any:
        """The whole state of a run, as `kfrun.model.runstate.RunState.to_json` has made it; empty for none.

        Raises:
            ValueError: it is damaged.
        """
        with self.reading(), self._translated():
            row = self._db.execute("SELECT state FROM runs WHERE uid=?", (uid,)).fetchone()
            if row is None or row[0] != _IN_PARTS:
                return json.loads(row[0]) if row is not None and row[0] else {}
            rows = self._db.execute("SELECT pod, state FROM states WHERE uid=? ORDER BY id", (uid,)).fetchall()
        rest = json.loads(next((text for pod, text in rows if not pod), ""))
        pods = [json.loads(text) for pod, text in rows if pod]
        return {**rest, "pods": pods} if isinstance(rest, dict) else rest

    def keep_state(self, uid: str, state: str, pods: Mapping[str, str], gone: Iterable[str]) -> None:
        """Store the state of a run: all but its pods, those of them that have changed, in order, without those gone."""
        with self.writing(), self._translated():
            self._db.executemany("DELETE FROM states WHERE uid=? AND pod=?", [(uid, name) for name in gone])
            self._db.executemany(
                "INSERT INTO states (uid, pod, state) VALUES (?,?,?)"
                " ON CONFLICT (uid, pod) DO UPDATE SET state=excluded.state",
                [(uid, "", state), *((uid, name, text) for name, text in pods.items())],
            )

    def part(self, uid: str) -> set[str]:
        """From now on the state of a run is stored in parts; the names of the pods whose states are already."""
        with self.writing(), self._translated():
            self._db.execute("UPDATE runs SET state=? WHERE uid=?", (_IN_PARTS, uid))
            return {name for (name,) in self._db.execute("SELECT pod FROM states WHERE uid=? AND pod<>''", (uid,))}

    def rest(self, uid: str) -> None:
        """Nothing happens to a run before somebody asks for it."""
        self.change_run(uid, ended=_RESTING)

    def rouse(self, run: Run) -> None:
        """A supervisor should be looking after a run again."""
        if run.resting:
            self.change_run(run.uid, ended=0)

    def next_number(self, namespace: str, name: str) -> int:
        """The number of the run that is started next."""
        with self._translated():
            query = f"SELECT MAX({self._number.partition(' AS ')[0]}) FROM runs WHERE namespace=? AND name=?"
            latest = self._db.execute(query, (namespace, name)).fetchone()[0] or 0
        return int(max([latest, *(run.number for run in self.former_runs(namespace, name)[:1])])) + 1

    def former_runs(self, namespace: str | None = None, name: str | None = None) -> list[FormerRun]:
        """Runs that were replaced, of a name the latest first."""
        if "history" in self.lacking:
            return []
        query, values = f"SELECT {_FORMER} FROM history WHERE 1", list[str]()
        for column, value in (("namespace", namespace), ("name", name)):
            if value is not None:
                query, values = f"{query} AND {column}=?", [*values, value]
        with self._translated():
            rows = self._db.execute(f"{query} ORDER BY namespace, name, number DESC", values).fetchall()
        return [FormerRun(*row) for row in rows]

    def keep(self, run: FormerRun, *, most: int) -> list[FormerRun]:
        """Put a run into the history, which holds at most so many of a name; returns those that had to go."""
        with self.writing(), self._translated():
            marks = ",".join("?" * len(_FORMER.split(", ")))
            values = [getattr(run, column) for column in _FORMER.split(", ")]
            self._db.execute(f"INSERT INTO history ({_FORMER}) VALUES ({marks})", values)
            gone = self.former_runs(run.namespace, run.name)[most:]
            self._db.executemany(
                "DELETE FROM history WHERE namespace=? AND name=? AND number=?",
                [(one.namespace, one.name, one.number) for one in gone],
            )
        return gone

    def forget_history(self, namespace: str, name: str) -> None:
        """Remove what was kept of the runs of a name that were replaced."""
        with self.writing(), self._translated():
            self._db.execute("DELETE FROM history WHERE namespace=? AND name=?", (namespace, name))

    def forget(self, uid: str) -> None:
        """Remove a TrainJob with everything that it owns: objects, events, run, ports."""
        with self.writing(), self._translated():
            self._next_version()
            self._db.execute("DELETE FROM objects WHERE owner=? OR uid=?", (uid, uid))
            self._db.execute("DELETE FROM events WHERE owner=?", (uid,))
            self._db.execute("DELETE FROM runs WHERE uid=?", (uid,))
            self._db.execute("DELETE FROM states WHERE uid=?", (uid,))
            self._db.execute("DELETE FROM ports WHERE uid=?", (uid,))

    # Ports

    def lease_port(self, uid: str, candidates: Sequence[int]) -> int | None:
        """Lease the first free port of ``candidates`` to a job, or None when all are taken."""
        with self.writing(), self._translated():
            taken = {row[0] for row in self._db.execute("SELECT port FROM ports")}
            for port in candidates:
                if port not in taken:
                    self._db.execute("INSERT INTO ports VALUES (?,?)", (port, uid))
                    return port
        return None

    def release_ports(self, uid: str) -> None:
        """Give back every port of a job."""
        with self.writing(), self._translated():
            self._db.execute("DELETE FROM ports WHERE uid=?", (uid,))


_COLUMNS = "api_version, kind, namespace, name, uid, version, owner, data"
_RUN = (
    "uid, namespace, name, folder, backend, digest, run_digest, boot, request, ended, runtime, state, previous, code, "
    "number"
)
_FORMER = "namespace, name, number, uid, folder, backend, digest, run_digest, runtime, code, failure, data"


def _stored(row: tuple[Any, ...]) -> StoredObject:
    try:
        data = json.loads(row[7])
    except ValueError as error:
        name = "/".join(part for part in row[1:4] if part)
        raise StoreFailed(
            f"the store holds {name}, which cannot be read: {error}", "kfrun doctor looks closer"
        ) from error
    return StoredObject(ObjectKey(*row[:4]), row[4], row[5], row[6], data)


def _as_run(row: tuple[Any, ...]) -> Run:
    values = dict(zip(_RUN.split(", "), row, strict=True))
    return Run(**{**values, "ended": values["ended"] == 1, "resting": values["ended"] == _RESTING})


def _key(data: dict[str, Any]) -> ObjectKey:
    metadata = data["metadata"]
    return ObjectKey(data["apiVersion"], data["kind"], metadata.get("namespace", ""), metadata["name"])


def _with_version(data: dict[str, Any], version: int) -> str:
    metadata = {**data["metadata"], "resourceVersion": str(version)}
    return json.dumps({**data, "metadata": metadata}, separators=(",", ":"))
