"""The database of a store: one SQLite file (WAL), made, opened, read where nothing can be written, missed when gone.

What is in it is the business of `kfrun.observe.store`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from kfrun import host, paths
from kfrun.errors import Conflict, NotFound, StoreBusy, StoreFailed, StoreFull
from kfrun.observe import location

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

_FORMAT = 1
_BUSY_SECONDS = 20.0
_HEADER_BYTES = 100
_SCARCE_BYTES, _LITTLE_BYTES = 1 << 16, 1 << 20
_MEMORY = ":memory:"


class Database:
    """The open database. Use it in one thread; close it, or use it as a context manager.

    Attributes:
        TABLES: the statements that make what is in it.
        ADDED: columns that a database made earlier lacks, by table: how they are declared; of a table that it lacks
            itself, how that is made, under the empty name. Whoever knows nothing of them goes on working with it, so
            the format stays the same.
        lacking: of these columns and tables, what it lacks, because nothing can be written.
        is_read_only: it lies where nothing can be written; what is written all the same fails.
    """

    TABLES: ClassVar[str] = ""
    ADDED: ClassVar[dict[str, dict[str, str]]] = {}

    def __init__(self, connection: sqlite3.Connection, path: str, *, is_read_only: bool = False) -> None:
        self._db = connection
        self.path = path
        self.is_read_only = is_read_only
        self._file: tuple[int, int] | None = None
        self.lacking: set[str] = set()

    @classmethod
    def open(cls, path: str | Path, *, create: bool = True) -> Self:
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
    def _as_it_is(cls, path: str) -> Self:
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
            store._look_for_additions()
        return store._known()

    def _known(self) -> Self:
        found = os.stat(self.path)
        self._file = found.st_dev, found.st_ino
        return self

    @classmethod
    def empty(cls) -> Self:
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
        elif self._look_for_additions():
            with self.writing():  # somebody may have made them meanwhile
                for table, column in self._look_for_additions():
                    made = self.ADDED[table][column]
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {made}" if column else made)
            self._look_for_additions()

    def _look_for_additions(self) -> list[tuple[str, str]]:
        """The columns that it lacks, by table; the empty name for a table as a whole."""
        lacking = []
        for table, added in self.ADDED.items():
            found = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
            wanted = added.keys() - found - {""} if found else added.keys() & {""}
            lacking += [(table, column) for column in wanted]
        self.lacking = {column or table for table, column in lacking}
        return lacking

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
                for statement in self.TABLES.split(";"):
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

    def require_news(self) -> None:
        """Refuse to wait for changes that cannot come.

        Raises:
            StoreFailed: the database is read where nothing can be written.
        """
        if self.is_read_only:
            raise StoreFailed(
                f"the store {self.path} can only be read: what becomes of jobs is not seen", "make its disk writable"
            )

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
    if kind == sqlite3.SQLITE_BUSY:
        return StoreBusy(message, "a kfrun that was stopped (SIGSTOP) may hold it: let it go on (SIGCONT), or end it")
    if kind == sqlite3.SQLITE_READONLY:
        return StoreFailed(message, "it can be read; to change something, set KFRUN_HOME to a folder of your own")
    is_damaged = kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
    return StoreFailed(message, _way_out(path) if is_damaged else None)
