"""cli: the command line: verbs, one module each, and what they share."""
