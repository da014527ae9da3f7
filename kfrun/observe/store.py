"""The store: one SQLite database (WAL) with objects, status, events, runs and port leases.

Every kfrun on this host reads and writes it; supervisors are the only writers of a job's status. Objects are kept
in their Kubernetes form. Writers name the version that they read: `Conflict` means somebody else was faster.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kfrun import host, paths
from kfrun.errors import Conflict, NotFound, StoreFailed, StoreFull
from kfrun.model.source import ObjectKey
from kfrun.model.state import Event, StoredObject
from kfrun.model.values import dataclass
from kfrun.observe import location

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Self

_FORMAT = 1
_BUSY_SECONDS = 20.0
_HEADER_BYTES = 100
_SCARCE_BYTES, _LITTLE_BYTES = 1 << 16, 1 << 20
_RESTING = 2
"""In the column ``ended``: not ended, but nothing happens before somebody asks for it."""

_TABLES = """
CREATE TABLE objects (
  kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  api_version TEXT NOT NULL, uid TEXT NOT NULL, owner TEXT NOT NULL, version INTEGER NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (kind, namespace, name)) WITHOUT ROWID;
CREATE INDEX objects_by_owner ON objects (owner);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, owner TEXT NOT NULL, api_version TEXT NOT NULL, kind TEXT NOT NULL,
  namespace TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
  first REAL NOT NULL, last REAL NOT NULL, count INTEGER NOT NULL);
CREATE INDEX events_by_owner ON events (owner);
CREATE TABLE runs (
  uid TEXT PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, folder TEXT NOT NULL, backend TEXT NOT NULL,
  digest TEXT NOT NULL, run_digest TEXT NOT NULL, boot TEXT NOT NULL, request TEXT NOT NULL, ended INTEGER NOT NULL,
  runtime TEXT NOT NULL, state TEXT NOT NULL, previous TEXT NOT NULL) WITHOUT ROWID;
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
        state: the supervisor's own state as JSON, empty before it first ran.
        previous: folder of the run that this one replaced, empty when there is none.
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


_MEMORY = ":memory:"


class Store:
    """The open store. Use it in one thread; close it, or use it as a context manager.

    Attributes:
        is_read_only: it lies where nothing can be written; what is written all the same fails.
    """

    def __init__(self, connection: sqlite3.Connection, path: str, *, is_read_only: bool = False) -> None:
        self._db = connection
        self.path = path
        self.is_read_only = is_read_only
        self._file: tuple[int, int] | None = None

    @classmethod
    def open(cls, path: str | Path, *, create: bool = True) -> Store:
        """Open the database at ``path``, made with its folder (0700, 0600) when missing and ``create``.

        Raises:
            NotFound: it does not exist and ``create`` is False.
            StoreFailed: it cannot be opened, is damaged, not this user's alone or was written by a newer kfrun.
        """
        path = os.fspath(path)
        location.require_trusted(path)
        if not os.path.exists(path):
            if location.has_jobs(path):
                raise _gone(path)
            if not create:
                raise NotFound(f"there is no store at {path}")
            _make_private(path)
            # Whoever was faster than we is not trusted either.
            location.require_trusted(path)
        store = cls(_connect(path, path), path)
        try:
            with store._translated():
                store._prepare()
        except StoreFailed:
            store.close()
            if not _takes_nothing(path):
                raise
            return cls._as_it_is(path)
        return store._known()

    @classmethod
    def _as_it_is(cls, path: str) -> Store:
        """The database where nothing can be written, not even the files that SQLite needs beside it to read."""
        # What others wrote last may be in its log; without one the file is all there is.
        has_log = os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal") > 0
        escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        name = f"file:{escaped}?{'mode=ro' if has_log else 'immutable=1'}"
        store = cls(_connect(name, path, uri=True), path, is_read_only=True)
        with store._translated():
            if store._format() == 0:
                store.close()
                return cls.empty()
        return store._known()

    def _known(self) -> Store:
        found = os.stat(self.path)
        self._file = found.st_dev, found.st_ino
        return self

    @classmethod
    def empty(cls) -> Store:
        """A store in memory with nothing in it: what there is to see where no store was made yet."""
        import sqlite3

        store = cls(sqlite3.connect(_MEMORY, isolation_level=None), _MEMORY)
        with store._translated():
            store._prepare()
        return store

    def _prepare(self) -> None:
        self._db.execute("PRAGMA synchronous=NORMAL")
        found = self._format()
        if found == 0:
            self._make_tables()
        elif found > _FORMAT:
            raise StoreFailed(
                f"the store {self.path} was written by a newer kfrun (format {found}, this one knows {_FORMAT})",
                "use that version, or point KFRUN_HOME at another folder",
            )

    def _format(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _make_tables(self) -> None:
        # Switching to WAL does not wait for others: the first ones to come queue here instead.
        with _queue(self.path):
            if self._format() != 0:
                return
            if self.path != _MEMORY and location.has_jobs(self.path):
                raise StoreFailed(f"the store {self.path} is empty, but there were jobs in it", _way_out(self.path))
            self._db.execute("PRAGMA journal_mode=WAL")
            with self.writing():
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={_FORMAT}")

    def close(self) -> None:
        """Close the database; leases and rows stay."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One write transaction: all of it is stored, or nothing. Nesting joins the outer one."""
        if self._is_writing():
            yield
            return
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with self._translated():
                if self._is_writing():
                    self._db.execute("ROLLBACK")
            raise
        with self._translated():
            try:
                self._db.execute("COMMIT")
            except BaseException:
                if self._is_writing():
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Everything that is read meanwhile is of one moment."""
        if self._is_writing():
            yield
            return
        with self._translated():
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            with self._translated():
                self._db.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import sqlite3

        try:
            yield
        except sqlite3.IntegrityError as error:
            raise Conflict(f"it exists already ({error})") from error
        except sqlite3.Error as error:
            raise _failure(error, self.path) from error

    def _is_writing(self) -> bool:
        return self._db.in_transaction

    def changes(self) -> int:
        """A number that differs whenever another process has written since this store last looked.

        Raises:
            StoreFailed: the database was removed or replaced: nothing would ever change again.
        """
        self._require_presence()
        with self._translated():
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def _require_presence(self) -> None:
        if self._file is None:
            return
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise _gone(self.path) from error
        if (found.st_dev, found.st_ino) != self._file:
            raise StoreFailed(f"the store {self.path} is another file than it was", _way_out(self.path))
        if found.st_size < _HEADER_BYTES:
            raise StoreFailed(f"the store {self.path} was cut off", _way_out(self.path))

    def has_little_room(self) -> bool:
        """Whether the disk of the database is as good as full."""
        space = os.statvfs(paths.parent(self.path))
        return space.f_bavail * space.f_frsize < _LITTLE_BYTES

    def damage(self) -> list[str]:
        """What SQLite's quick check finds wrong with the database; empty when it is sound."""
        with self._translated():
            found = [str(row[0]) for row in self._db.execute("PRAGMA quick_check(5)")]
        return [] if found == ["ok"] else found

    # Objects

    def find(self, kind: str, namespace: str, name: str) -> StoredObject | None:
        """The object of that kind and name, or None. ``namespace`` is empty for cluster-scoped kinds."""
        with self._translated():
            row = self._db.execute(
                f"SELECT {_COLUMNS} FROM objects WHERE kind=? AND namespace=? AND name=?",
                (kind, namespace, name),
            ).fetchone()
        return None if row is None else _stored(row)

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

    def run(self, uid: str) -> Run | None:
        """The run of the TrainJob with that uid."""
        with self._translated():
            row = self._db.execute(f"SELECT {_RUN} FROM runs WHERE uid=?", (uid,)).fetchone()
        return None if row is None else _as_run(row)

    def runs(self, namespace: str | None = None) -> list[Run]:
        """All runs, or those of a namespace."""
        query = f"SELECT {_RUN} FROM runs" + ("" if namespace is None else " WHERE namespace=?")
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
            rows = self._db.execute(f"SELECT {_RUN} FROM runs WHERE {condition} ORDER BY uid").fetchall()
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

    def rest(self, uid: str) -> None:
        """Nothing happens to a run before somebody asks for it."""
        self.change_run(uid, ended=_RESTING)

    def rouse(self, run: Run) -> None:
        """A supervisor should be looking after a run again."""
        if run.resting:
            self.change_run(run.uid, ended=0)

    def forget(self, uid: str) -> None:
        """Remove a TrainJob with everything that it owns: objects, events, run, ports."""
        with self.writing(), self._translated():
            self._next_version()
            self._db.execute("DELETE FROM objects WHERE owner=? OR uid=?", (uid, uid))
            self._db.execute("DELETE FROM events WHERE owner=?", (uid,))
            self._db.execute("DELETE FROM runs WHERE uid=?", (uid,))
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
_RUN = "uid, namespace, name, folder, backend, digest, run_digest, boot, request, ended, runtime, state, previous"


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


def _make_private(path: str) -> None:
    folder = paths.parent(path)
    try:
        host.make_private_folder(folder)
        # Made with its mode at once: SQLite gives the -wal and -shm files the mode of the database.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreFailed(
            f"the state folder {folder} cannot be written: {error.strerror}",
            "set KFRUN_HOME to a folder of your own",
        ) from error


@contextmanager
def _queue(path: str) -> Iterator[None]:
    if path == _MEMORY:
        yield
        return
    from kfrun.host import lock

    with lock.hold(f"{path}.lock"):
        yield


def _connect(name: str, path: str, *, uri: bool = False) -> sqlite3.Connection:
    import sqlite3

    try:
        return sqlite3.connect(name, timeout=_BUSY_SECONDS, isolation_level=None, uri=uri)
    except sqlite3.Error as error:
        raise _failure(error, path) from error


def _takes_nothing(path: str) -> bool:
    """Whether nothing can be written beside the database: no permission, a disk for reading only, or a full one."""
    folder = paths.parent(path)
    try:
        space = os.statvfs(folder)
    except OSError:
        return False
    return not os.access(folder, os.W_OK) or space.f_bavail * space.f_frsize < _SCARCE_BYTES


def _gone(path: str) -> StoreFailed:
    if location.has_jobs(path):
        return StoreFailed(f"the store {path} is gone, but the folders of its jobs are there", _way_out(path))
    return StoreFailed(
        f"the store {path} is gone", "kfrun apply makes a new one; what still ran of its jobs is stopped"
    )


def _way_out(path: str) -> str:
    return f"put back a copy of it, or move {paths.parent(path)} away: what still runs of its jobs is stopped then"


def _failure(error: sqlite3.Error, path: str) -> StoreFailed:
    import sqlite3

    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return _gone(path)
    # the lowest byte is the kind of the error; those of the module itself have no code
    kind, message = code & 0xFF, f"the store {path} failed: {error}"
    if kind == sqlite3.SQLITE_FULL:
        return StoreFull(message, "free some space; nothing is lost, the state is kept and stored later")
    if kind == sqlite3.SQLITE_READONLY:
        return StoreFailed(message, "it can be read; to change something, set KFRUN_HOME to a folder of your own")
    is_damaged = kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
    return StoreFailed(message, _way_out(path) if is_damaged else None)
