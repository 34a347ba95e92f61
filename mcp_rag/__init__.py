"""The memory of what people and their assistants have already said and written."""

__version__ = "0.1.0"
