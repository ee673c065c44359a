"""`DB_VECTOR_EXTENSION` must not be set to pgvector any more: Immich would rebuild its old index and drop vchord.

It lives in Immich's environment, which the server does not show: it is read from --env-file or the environment of the
tool where it is given; otherwise the operator is told and asked once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Fact, Facts, Step
from steps.shared import vector_extension
from steps.shared.options import Options


class UnsetVectorExtension(Step):
    """Make sure that Immich will choose VectorChord."""

    key = "unset-vector-extension"
    title = vector_extension.TITLE
    actor: ClassVar[Actor] = Actor.OPERATOR

    def __init__(self, options: Options) -> None:
        self._options = options
        if options.vector_extension is None:
            self.question = "Is DB_VECTOR_EXTENSION removed from Immich's environment?"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when Immich's environment is known not to name another extension, or the operator said so."""
        if self._options.vector_extension is not None:
            return not vector_extension.names_another(self._options)
        return facts.get(f"answer.{self.key}") is True

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. An operator's task."""
        return (vector_extension.blocker(self._options),)

    def forget(self, facts: Facts) -> Sequence[Fact]:
        """Read-only. The answer: whoever goes back to pgvector sets the variable again."""
        name = f"answer.{self.key}"
        return [Fact(name, None)] if facts.get(name) is not None else []
