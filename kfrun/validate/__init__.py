"""validate: Documents become Findings. Pure: no files, clock, network or environment inside."""
