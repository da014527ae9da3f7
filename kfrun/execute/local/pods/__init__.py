"""pods: what a kubelet makes of a pod's template, whatever runs its containers."""
