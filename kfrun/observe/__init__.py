"""observe: what is stored and running: objects, status, events and logs."""
