"""A cluster for one machine: what kubectl and the scripts see of one, with processes for pods, and faults to order."""
