"""The store of the kfrun that is measured, read as an SQLite database: it need not be the kfrun of this checkout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3


class Store:
    """What is stored, as of now."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def changes(self) -> int:
        """A number that differs whenever another process has written since it was last asked for."""
        return self._db.execute("PRAGMA data_version").fetchone()[0]

    def jobs(self) -> list[dict[str, Any]]:
        """Every TrainJob."""
        return [json.loads(row[0]) for row in self._db.execute("SELECT data FROM objects WHERE kind='TrainJob'")]

    def job(self, name: str) -> dict[str, Any]:
        """The TrainJob of that name."""
        query = "SELECT data FROM objects WHERE kind='TrainJob' AND name=?"
        return json.loads(self._db.execute(query, (name,)).fetchone()[0])

    def multiply(self, name: str, count: int) -> None:
        """Store a job that is over ``count`` times: every row that speaks of it, under other names and uids."""
        uid = self.job(name)["metadata"]["uid"]
        self._db.execute("BEGIN IMMEDIATE")
        for (table,) in self._db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
            described = self._db.execute(f"PRAGMA table_info({table})")
            # SQLite numbers rows itself where their key is a number.
            columns = [name for _, name, kind, _, _, key in described if not (key and kind == "INTEGER")]
            rows = self._db.execute(f"SELECT {','.join(columns)} FROM {table}").fetchall()
            ours = json.dumps([row for row in rows if any(uid in str(value) for value in row)])
            into = f"INSERT INTO {table} ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})"
            for number in range(1, count):
                copy = ours.replace(uid, f"{uid[:-5]}{number:05x}").replace(name, f"{name}-{number:05d}")
                self._db.executemany(into, json.loads(copy))
        self._db.execute("COMMIT")


def is_over(job: dict[str, Any]) -> bool:
    """Complete or Failed."""
    return not {"Complete", "Failed"}.isdisjoint(conditions(job))


def conditions(job: dict[str, Any]) -> set[str]:
    """The types of the conditions that are True."""
    return {item["type"] for item in job.get("status", {}).get("conditions") or () if item["status"] == "True"}
