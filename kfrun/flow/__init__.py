"""flow: the stages put together, from wishes to a job's end. No terminal: words go out through callbacks."""
