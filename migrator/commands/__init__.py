"""One function per command, callable without a terminal."""
