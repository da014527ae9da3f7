"""What validate and lint read of a command line and write of findings."""
