"""The probe of allocations of Slurm."""
