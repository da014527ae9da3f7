"""cli: one module per verb: parse, call, print."""
