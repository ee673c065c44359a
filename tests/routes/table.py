"""The one table of journeys: every route, from every state, with every version and every kind of role.

Not every combination: each value of each column stands with each route at least once. `--full` runs the product.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

from start_states import WITHOUT_LIBRARY, StartState, has_vchord

from migrator.sandbox.old_pgvector import VERSION as OLD_PGVECTOR

Route = Literal["automatic", "manual", "rescue", "pgvector"]
Role = Literal["superuser", "owner", "stranger"]

NEW_PGVECTOR = "0.8.5"
TARGET = {"0.3.0": None, "0.4.3": "1.136.0", "0.5.3": "2.1.0", "1.1.1": "2.7.5"}
"""The Immich release that is named because it takes a VectorChord; none is needed for the documented one."""


@dataclass(frozen=True, slots=True)
class Journey:
    """One row of the table.

    Attributes:
        route: The path that is walked.
        state: What the database looks like at first.
        vectors: Release of pgvecto.rs; None where the embeddings are pgvector's from the start.
        pgvector: Release of pgvector that the server offers at first.
        vchord: Release of VectorChord that the operator installs, or that is there already.
        role: Who the tool connects as. A stranger has no right to anything and must be sent away.
        dimension: That of smart_search.
        by_itself: Whether the tool has to find the route itself; otherwise it is named with --path.
    """

    route: Route
    state: StartState
    vectors: str | None
    pgvector: str
    vchord: str
    role: Role
    dimension: int = 512
    by_itself: bool = False

    def __str__(self) -> str:
        """Return the name of the test."""
        parts = [self.route, self.state, self.vectors or "", self.pgvector, self.vchord, self.role]
        return "-".join(part.replace(" ", "_") for part in parts if part)

    @property
    def has_vchord(self) -> bool:
        """Return whether VectorChord is installed and preloaded at first."""
        return has_vchord(self.state, from_pgvector=self.route == "pgvector")

    @property
    def target(self) -> str | None:
        """Return the Immich release to name."""
        return TARGET[self.vchord]


S = StartState
TABLE = (
    # route       state                       vectors  pgvector      vchord   role
    Journey("automatic", S.FRESH, "0.2.0", NEW_PGVECTOR, "0.3.0", "superuser", by_itself=True),
    Journey("automatic", S.FRESH, "0.3.0", OLD_PGVECTOR, "1.1.1", "owner", 768),
    Journey("automatic", S.BOTH_ARRAYS, "0.3.0", NEW_PGVECTOR, "0.3.0", "superuser", 768, by_itself=True),
    Journey("automatic", S.ONE_ARRAY, "0.2.0", NEW_PGVECTOR, "0.4.3", "owner", by_itself=True),
    Journey("automatic", S.ONE_CONVERTED, "0.2.0", OLD_PGVECTOR, "0.5.3", "superuser", by_itself=True),
    Journey("automatic", S.NO_INDEX, "0.2.0", NEW_PGVECTOR, "0.3.0", "owner", by_itself=True),
    Journey("automatic", S.WRONG_SCHEMA, "0.3.0", NEW_PGVECTOR, "0.3.0", "superuser", by_itself=True),
    Journey("automatic", S.ARRAYS_WRONG_SCHEMA, "0.2.0", NEW_PGVECTOR, "0.3.0", "owner", by_itself=True),
    Journey("automatic", S.IMMICH_KILLED_BEFORE, "0.2.0", NEW_PGVECTOR, "0.3.0", "superuser", by_itself=True),
    Journey("automatic", S.IMMICH_KILLED_AFTER, "0.3.0", NEW_PGVECTOR, "0.4.3", "owner", by_itself=True),
    Journey("automatic", S.LEFTOVER_CONSTRAINT, "0.2.0", NEW_PGVECTOR, "0.3.0", "superuser", by_itself=True),
    Journey("automatic", S.ARRAYS_AND_CONSTRAINT, "0.2.0", NEW_PGVECTOR, "0.3.0", "owner"),
    Journey("automatic", S.FRESH, "0.2.0", NEW_PGVECTOR, "0.3.0", "stranger"),
    Journey("manual", S.FRESH, "0.2.0", NEW_PGVECTOR, "0.3.0", "superuser", 768),
    Journey("manual", S.FRESH, "0.3.0", OLD_PGVECTOR, "1.1.1", "owner"),
    Journey("manual", S.BOTH_ARRAYS, "0.2.0", NEW_PGVECTOR, "0.5.3", "owner", 768),
    Journey("manual", S.ARRAYS_LIBRARY_GONE, "0.2.0", NEW_PGVECTOR, "0.3.0", "superuser", by_itself=True),
    Journey("manual", S.ONE_ARRAY, "0.3.0", NEW_PGVECTOR, "0.4.3", "superuser"),
    Journey("manual", S.ONE_CONVERTED, "0.2.0", NEW_PGVECTOR, "0.3.0", "owner"),
    Journey("manual", S.NO_INDEX, "0.2.0", NEW_PGVECTOR, "0.3.0", "superuser"),
    Journey("manual", S.WRONG_SCHEMA, "0.2.0", NEW_PGVECTOR, "0.3.0", "owner"),
    Journey("manual", S.ARRAYS_WRONG_SCHEMA, "0.3.0", NEW_PGVECTOR, "0.3.0", "superuser"),
    Journey("manual", S.IMMICH_KILLED_BEFORE, "0.3.0", NEW_PGVECTOR, "0.3.0", "superuser"),
    Journey("manual", S.IMMICH_KILLED_AFTER, "0.2.0", NEW_PGVECTOR, "0.3.0", "superuser"),
    Journey("manual", S.LEFTOVER_CONSTRAINT, "0.2.0", NEW_PGVECTOR, "0.3.0", "owner"),
    Journey("manual", S.ARRAYS_AND_CONSTRAINT, "0.3.0", NEW_PGVECTOR, "0.3.0", "superuser"),
    Journey("manual", S.FRESH, "0.2.0", NEW_PGVECTOR, "0.3.0", "stranger"),
    Journey("rescue", S.LIBRARY_GONE, "0.2.0", NEW_PGVECTOR, "0.3.0", "superuser", 768),
    Journey("rescue", S.LIBRARY_GONE, "0.3.0", OLD_PGVECTOR, "1.1.1", "owner"),
    Journey("rescue", S.LIBRARY_NOT_LOADED, "0.2.0", NEW_PGVECTOR, "0.4.3", "superuser"),
    Journey("rescue", S.ONE_ARRAY_LIBRARY_GONE, "0.3.0", NEW_PGVECTOR, "0.5.3", "superuser"),
    Journey("rescue", S.ONE_CONVERTED_LIBRARY_GONE, "0.2.0", NEW_PGVECTOR, "0.3.0", "superuser"),
    Journey("rescue", S.CONSTRAINT_LIBRARY_GONE, "0.3.0", NEW_PGVECTOR, "0.3.0", "superuser"),
    Journey("rescue", S.LIBRARY_GONE, "0.2.0", NEW_PGVECTOR, "0.3.0", "stranger"),
    Journey("pgvector", S.FRESH, None, OLD_PGVECTOR, "0.3.0", "superuser", by_itself=True),
    Journey("pgvector", S.FRESH, None, NEW_PGVECTOR, "0.4.3", "owner", 768, by_itself=True),
    Journey("pgvector", S.NO_INDEX, None, OLD_PGVECTOR, "1.1.1", "owner", by_itself=True),
    Journey("pgvector", S.ONE_CONVERTED, None, NEW_PGVECTOR, "0.5.3", "superuser", by_itself=True),
    Journey("pgvector", S.WRONG_SCHEMA, None, NEW_PGVECTOR, "0.3.0", "superuser", by_itself=True),
    Journey("pgvector", S.IMMICH_KILLED_BEFORE, None, NEW_PGVECTOR, "0.3.0", "owner", by_itself=True),
    Journey("pgvector", S.IMMICH_KILLED_AFTER, None, NEW_PGVECTOR, "0.3.0", "superuser", by_itself=True),
    Journey("pgvector", S.LEFTOVER_CONSTRAINT, None, NEW_PGVECTOR, "0.3.0", "superuser", by_itself=True),
    Journey("pgvector", S.FRESH, None, NEW_PGVECTOR, "0.3.0", "stranger", by_itself=True),
)

ONLY_MANUAL = (S.ARRAYS_LIBRARY_GONE,)
"""States whose route the automatic one is not."""
OF_PGVECTOR = tuple(dict.fromkeys(journey.state for journey in TABLE if journey.route == "pgvector"))
"""States that a database on pgvector can be in: its columns are never anything else than pgvector's."""


def combinations() -> Iterator[Journey]:
    """Return every combination of route, state, versions and role that makes sense."""
    roles: tuple[Role, ...] = ("superuser", "owner", "stranger")
    routes: tuple[Route, ...] = ("automatic", "manual", "rescue", "pgvector")
    for route, state, pgvector, vchord, role in product(routes, S, (OLD_PGVECTOR, NEW_PGVECTOR), TARGET, roles):
        from_pgvector = route == "pgvector"
        impossible = (
            (state in ONLY_MANUAL and route in ("automatic", "rescue"))
            or ((route == "rescue") != (state in WITHOUT_LIBRARY))
            or (from_pgvector and state not in OF_PGVECTOR)
            # vchord cannot be created on an old pgvector
            or (pgvector == OLD_PGVECTOR and has_vchord(state, from_pgvector=from_pgvector))
        )
        for vectors in (None,) if from_pgvector else ("0.2.0", "0.3.0"):
            if not impossible:
                yield Journey(route, state, vectors, pgvector, vchord, role, by_itself=from_pgvector)
