"""What containers are given before they start: variables of objects, and volumes, which a runtime only has to bind."""
