"""What the tests of the steps share."""

from workshops import loaded_server, make_workshop

__all__ = ["loaded_server", "make_workshop"]
