"""local: this machine as a place where jobs run: supervisors, what jobs need first, and what runs containers."""
