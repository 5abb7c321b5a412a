"""Several processes and machines: launching, preemption, SLURM, memory estimates."""
