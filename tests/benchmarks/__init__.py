"""Benchmarks: ratios between what WhatsNext does and what this machine can do, both measured in one run."""
