"""`DB_VECTOR_EXTENSION` of Immich's environment: what it may say if VectorChord is to be used, and how to unset it."""

from __future__ import annotations

from migrator.step import Blocker
from steps.shared.options import Options

TITLE = "unset DB_VECTOR_EXTENSION"
HARMLESS = ("", "vectorchord")


def names_another(options: Options) -> bool:
    """Tell whether the variable is known to make Immich choose another extension."""
    return options.vector_extension is not None and options.vector_extension not in HARMLESS


def blocker(options: Options) -> Blocker:
    """Return the operator's task."""
    known = options.vector_extension
    return Blocker(
        what=TITLE,
        found=f"DB_VECTOR_EXTENSION={known}" if known else "Immich's environment is not visible from here",
        wanted="not set, so that Immich takes VectorChord",
        fix=(
            f"remove the line DB_VECTOR_EXTENSION={known or 'pgvector'} from Immich's .env or compose file",
            "then let me see it: add --env-file .env",
            *(() if known else ("or answer the question: --yes says that it is removed",)),
        ),
        kind="operator",
    )
