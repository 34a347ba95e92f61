"""How well the product finds what is known to be there: `mcp-rag eval`.

Read `dataset.py` for what a set is, then `report.py`, which goes through an evaluation from end to end.
"""
