"""An attempt of a container as a process: its recorder, what that writes down, and who watches it to its end."""
