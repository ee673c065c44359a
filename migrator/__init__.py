"""The engine: databases, journals and terminals. It knows nothing of vectors."""

__version__ = "0.1.0"
