"""The controllers' rules as a pure state machine: facts and the time go in, commands come out.

Whoever runs a job notes what it learnt (`facts.note`), takes a step (`trainjob.step`), stores the state and then obeys
the commands. Each module mirrors the component of a cluster whose part it plays: Trainer (trainjob), JobSet (jobset),
the Job controller (job) and the kubelet (pod).
"""
