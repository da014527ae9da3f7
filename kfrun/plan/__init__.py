"""plan: desired and observed jobs become Actions with causes. Pure."""
