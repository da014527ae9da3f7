"""Lint policies: what a cluster accepts and a team would rather not have. `table.check` is the way in."""
