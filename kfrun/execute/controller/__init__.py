"""The controllers' rules as a pure state machine: facts and the time go in, commands come out.

`trainjob.advance` is called by the supervisor after every fact. Each module mirrors the component of a cluster
whose part it plays: Trainer (trainjob), JobSet (jobset), the Job controller (job) and the kubelet (pod).
"""
