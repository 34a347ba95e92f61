"""The statements of `sql/`, by name. They are ours to the letter: nothing that a user wrote enters one."""

from functools import cache
from importlib.resources import files


@cache
def sql(name: str, *, dimensions: int | None = None) -> str:
    """The statement in `sql/{name}.sql`, for vectors of a model's dimensions where it speaks of them."""
    text = files("mcp_rag.postgres.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return text if dimensions is None else text.replace("{dimensions}", str(int(dimensions)))
