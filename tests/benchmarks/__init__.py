"""Benchmarks: ratios between what WhatsNext does and what this machine, or a peer, can do, both measured in one run.

`python -m tests.benchmarks` measures all; each module beside this one is one figure, or a few of a kind.
"""
