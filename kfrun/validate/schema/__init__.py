"""schema: structure by JSON Schema, what violations mean and how to mend them, and what an API server fills in."""
