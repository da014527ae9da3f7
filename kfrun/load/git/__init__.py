"""Sources as a commit has them."""
