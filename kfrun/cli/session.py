"""Opens the store for the verbs, and revives the supervisors that died: every command that looks also heals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kfrun.observe.store import Store
    from kfrun.settings import Settings


def open_store(settings: Settings, *, create: bool = False) -> Store:
    """The host's store; an empty one in memory when there is none yet and ``create`` is False.

    Runs without a live supervisor get one, so that what the caller reads is true.

    Raises:
        StoreFailed: it cannot be opened.
    """
    from kfrun.observe import location
    from kfrun.observe.store import Store

    if not create and not location.has_database(settings):
        return Store.empty()
    store = Store.open(location.database_name(settings))
    if store.has_unended_runs():
        from kfrun.execute.local import supervisors

        supervisors.revive(store)
    return store
