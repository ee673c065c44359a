"""The content: one file per step, one list per path. It knows vectors."""
