"""A throw-away Postgres to try the tool on: tree, shelf, stand-ins, Immich-shaped database."""
