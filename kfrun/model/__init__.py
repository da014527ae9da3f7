"""model: the values that travel between the stages. Frozen dataclasses and enums only, no I/O."""
