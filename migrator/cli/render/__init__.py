"""How a run looks: to a person at a terminal, to a log, to a script."""
