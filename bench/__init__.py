"""Measures the product against its own parts, in one run on one machine. See README.md."""
