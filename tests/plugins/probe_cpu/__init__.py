"""The CPUs and the memory of this machine."""
