"""What kubectl and the scripts see of a cluster: processes are its pods, and faults can be ordered."""
