"""FAULTS: the whole engine under failures, in virtual time, reproducible from a seed."""
