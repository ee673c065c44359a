"""Which database a run belongs to: the cluster's system identifier, the database's oid and its name."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Identity:
    """A restore into another cluster, or a database dropped and created again, has another identity."""

    system_identifier: str
    database_oid: int
    database_name: str

    def __str__(self) -> str:
        return f"system {self.system_identifier}, database {self.database_name} (oid {self.database_oid})"

    @classmethod
    def of(cls, catalog: Catalog) -> Identity:
        """Return the identity of the database that the snapshot was read from."""
        return cls(catalog.server.system_identifier, catalog.database.oid, catalog.database.name)
