"""What a pod's volumes hold, and where it lies on this machine: for every runtime, which only has to bind it."""
