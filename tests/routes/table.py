"""The one table of routes: where a database may come from, in what state, to which VectorChord, as whom."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

Path = Literal["automatic", "manual", "pgvector"]
Role = Literal["superuser", "owner"]

STATES: dict[str, tuple[str, ...]] = {
    "untouched": (),
    "both columns real[]": (
        "DROP INDEX clip_index",
        "DROP INDEX face_index",
        "ALTER TABLE smart_search ALTER COLUMN embedding SET DATA TYPE real[]",
        "ALTER TABLE face_search ALTER COLUMN embedding SET DATA TYPE real[]",
    ),
    "one column real[]": (
        "DROP INDEX clip_index",
        "ALTER TABLE smart_search ALTER COLUMN embedding SET DATA TYPE real[]",
    ),
    "one table converted": (
        "CREATE EXTENSION vector SCHEMA public",
        "DROP INDEX face_index",
        ("ALTER TABLE face_search ALTER COLUMN embedding TYPE public.vector(512)"
        " USING (embedding::real[])::public.vector(512)"),
    ),
    "indexes dropped": ("DROP INDEX clip_index", "DROP INDEX face_index"),
    "model change interrupted": (
        ("ALTER TABLE smart_search ADD CONSTRAINT dim_size_constraint"
        " CHECK (array_length(embedding::real[], 1) = 512)"),
    ),
    "converted, killed before the index": (
        "CREATE EXTENSION vector SCHEMA public",
        "DROP INDEX clip_index",
        "DROP INDEX face_index",
        ("ALTER TABLE smart_search ALTER COLUMN embedding TYPE public.vector(512)"
        " USING (embedding::real[])::public.vector(512)"),
        ("ALTER TABLE face_search ALTER COLUMN embedding TYPE public.vector(512)"
        " USING (embedding::real[])::public.vector(512)"),
    ),
}
"""Where somebody, or an Immich that was killed, may have left a database; by the statements that lead there."""

FITTING_IMMICH = {"0.3.0": "1.133.0", "0.4.3": "1.136.0", "0.5.3": "2.2.0", "1.1.1": "2.7.5"}
"""An Immich release that accepts each VectorChord."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row: path, release that the data comes from, state, VectorChord, role."""

    path: Path
    old: str
    state: str = "untouched"
    vchord: str = "0.3.0"
    role: Role = "superuser"

    def __str__(self) -> str:
        return f"{self.path}, {self.old}, {self.state}, to {self.vchord}, {self.role}"

    @property
    def immich(self) -> str:
        """The Immich release to be started afterwards."""
        return FITTING_IMMICH[self.vchord]


SAMPLE = (
    Route("automatic", "0.2.0", "one table converted", "0.4.3"),
    Route("automatic", "0.2.0", "model change interrupted"),
    Route("automatic", "0.3.0", "both columns real[]", "1.1.1"),
    Route("automatic", "0.3.0", "one column real[]", "0.5.3", "owner"),
    Route("automatic", "0.2.0", "indexes dropped", role="owner"),
    Route("automatic", "0.3.0", "converted, killed before the index"),
    Route("manual", "0.2.0"),
    Route("manual", "0.3.0", "one column real[]", "1.1.1", "owner"),
    Route("manual", "0.3.0", "model change interrupted", "0.4.3"),
    Route("manual", "0.2.0", "both columns real[]", "0.5.3"),
    Route("pgvector", "0.8.5"),
    Route("pgvector", "0.8.5", "indexes dropped", "1.1.1", "owner"),
    Route("pgvector", "0.8.5", vchord="0.4.3"),
    Route("pgvector", "0.8.5", vchord="0.5.3", role="owner"),
)
"""Every value of every column with every path, in a few minutes."""

FULL = (
    *(
        Route(path, old, state, vchord, role)
        for path, old, state, vchord, role in product(
            ("automatic", "manual"), ("0.2.0", "0.3.0"), STATES, FITTING_IMMICH, ("superuser", "owner")
        )
    ),
    *(
        Route("pgvector", "0.8.5", state, vchord, role)
        for state, vchord, role in product(
            ("untouched", "indexes dropped"), FITTING_IMMICH, ("superuser", "owner")
        )
    ),
)  # fmt: skip
"""All of it, for a machine that has the time: --full."""
