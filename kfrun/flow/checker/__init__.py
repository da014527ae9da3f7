"""checker: checks one manifest or very many."""
