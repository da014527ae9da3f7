"""Sources that are fetched: bounded in time, and in where they may lead."""
