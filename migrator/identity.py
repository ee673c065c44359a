"""Which database a run belongs to: the cluster's system identifier, the database's oid and its name."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.catalog import Catalog
from migrator.step import Json


@dataclass(frozen=True, slots=True)
class Identity:
    """A dump loaded into another cluster, or a database dropped and created again, has another identity.

    A copy of the data directory has the same: nothing in the server tells it from the original.
    """

    system_identifier: str
    database_oid: int
    database_name: str

    def __str__(self) -> str:
        return f"system {self.system_identifier}, database {self.database_name} (oid {self.database_oid})"

    def difference(self, now: Identity) -> str:
        """Say what must have happened if this was the identity once, and that other one is what is there now."""
        if self.system_identifier != now.system_identifier:
            return "another server: a new one, or one that a dump was loaded into"
        if self.database_oid == now.database_oid:
            return f"the database was renamed from {self.database_name} to {now.database_name}"
        if self.database_name == now.database_name:
            return "the database was dropped and created again"
        return "another database of the same server"

    @classmethod
    def of(cls, catalog: Catalog) -> Identity:
        """Return the identity of the database that the snapshot was read from."""
        return cls(catalog.server.system_identifier, catalog.database.oid, catalog.database.name)


def moved(last: Json, here: str) -> str | None:
    """Say so where the last start found the database elsewhere: a copy of its files has the same identity."""
    if last is None or last == here:
        return None
    return (
        f"the last start found this database at {last}, now it is at {here}; a restored copy of its files cannot be "
        "told from the original: be sure that it is the one which Immich will use"
    )
