"""advice: what `kfrun explain` tells of fields: by path, from schemas and rules, with examples."""
