"""Docker and Podman: one adapter for all engines that speak Docker's API."""
