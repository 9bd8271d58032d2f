"""No byte of what was erased stays in a database's file.

SQLite overwrites what is deleted, and `Database` sets to zero what it leaves beside (see `unused`). What remains to be
done after an erasure is to empty the write-ahead log.
"""

from __future__ import annotations

from contextlib import suppress

from analytic_cl.store.database import Database
from analytic_cl.store.errors import StoreError

_SMALL = 1024  # pages: a file that is not worth writing anew because most of it is free


def clean_file(database: Database) -> bool:
    """Leave nothing of what was erased in the file and its log.

    False while a reader keeps the log from being emptied: then it has to be tried again, and `about.cleaning` says so.
    """
    due = bool(database.about("cleaning")) or database.about("unused") != "zero"  # the latter: by an earlier version
    clean = database.empty_log(everything=due)
    if clean and database.one("PRAGMA freelist_count") > max(_SMALL, database.one("PRAGMA page_count") // 2):
        database.vacuum()
        clean = database.empty_log()
    if clean == due:
        with suppress(StoreError):  # a full disk: then the log, which is still there, tells the next one
            with database.transaction():
                database.set_about("cleaning", not clean)
                if clean:
                    database.set_about("unused", "zero")
            clean = clean and database.empty_log()
    return clean
