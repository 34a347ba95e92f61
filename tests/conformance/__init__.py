"""The official conformance suite, and clients that others wrote, against the product's own processes."""
