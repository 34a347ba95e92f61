"""The statements of `sql/`, by name. They are ours to the letter: nothing that a user wrote enters one."""

from functools import cache
from importlib.resources import files


@cache
def sql(name: str, *, dimensions: int | None = None) -> str:
    """The statement in `sql/{name}.sql`, for vectors of a model's dimensions where it speaks of them."""
    text = files("mcp_rag.postgres.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    if dimensions is not None:
        text = text.replace("{dimensions}", str(int(dimensions)))
    _names[text] = name
    return text


_names: dict[str, str] = {}


def named(statement: str) -> str:
    """What a statement of ours is called; of others, such as those of a transaction, their first word."""
    return _names.get(statement) or statement.split(maxsplit=1)[0].rstrip(";")
