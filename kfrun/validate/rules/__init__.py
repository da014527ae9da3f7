"""rules: what the CRDs say across fields, of names, of updates, and of kfrun's own annotations."""
