"""What a kubelet does with the containers that a runtime runs: probes, lifecycle hooks, termination messages."""
