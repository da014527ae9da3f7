"""verbs: one module a verb: parse, call, print."""
