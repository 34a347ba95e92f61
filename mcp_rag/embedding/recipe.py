"""How a model is to be used: what its folder says, then what the catalogue says, then the usual way."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from mcp_rag.embedding import catalogue
from mcp_rag.errors import ModelCorrupt

T = TypeVar("T")

_USUAL_MAX_TOKENS = 512
# Tokenizers without a limit say so with a number such as 1e30.
_LARGEST_MAX_TOKENS = 32_768
_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


class _Module(BaseModel):
    type: str


class _Prompts(BaseModel):
    prompts: dict[str, str | None] = {}


class _Length(BaseModel):
    max_seq_length: int | None = None
    model_max_length: float | None = None


@dataclass(frozen=True)
class Recipe:
    """`steps` are the kinds of the model's modules, e.g. Transformer, Pooling, Normalize."""

    name: str
    pooling: str
    max_tokens: int
    query_prefix: str
    passage_prefix: str
    steps: tuple[str, ...]


def read(model: str, folder: Path) -> Recipe:
    """Read how the model in a folder is to be used.

    Raises:
        ModelCorrupt: one of the folder's settings files cannot be read.
    """
    known = catalogue.find(model)
    prompts = _read(folder / "config_sentence_transformers.json", _Prompts, _Prompts()).prompts
    prefixes = (known.query_prefix, "") if known else (_prompt(prompts, "query"), _passage_prompt(prompts))
    return Recipe(
        name=known.name if known else model,
        pooling=_pooling(folder) or (known.pooling if known else "mean"),
        max_tokens=_max_tokens(folder) or (known.max_tokens if known else _USUAL_MAX_TOKENS),
        query_prefix=prefixes[0],
        passage_prefix=prefixes[1],
        steps=tuple(
            module.type.rpartition(".")[2] for module in _read(folder / "modules.json", list[_Module], [])
        ),
    )


def _prompt(prompts: dict[str, str | None], name: str) -> str:
    return prompts.get(name) or ""


def _passage_prompt(prompts: dict[str, str | None]) -> str:
    return _prompt(prompts, "document") or _prompt(prompts, "passage")


def _pooling(folder: Path) -> str | None:
    """The pooling that the folder names, in either form that sentence-transformers has written."""
    settings = _read(folder / "1_Pooling" / "config.json", dict[str, Any], {})
    if "pooling_mode" in settings:
        mode = settings["pooling_mode"]
        return mode if isinstance(mode, str) else "+".join(mode)
    return "+".join(mode for key, mode in _POOLING.items() if settings.get(key)) or None


def _max_tokens(folder: Path) -> int | None:
    for file in ("sentence_bert_config.json", "tokenizer_config.json"):
        length = _read(folder / file, _Length, _Length())
        limit = length.max_seq_length or length.model_max_length
        if limit and limit <= _LARGEST_MAX_TOKENS:
            return int(limit)
    return None


def _read(path: Path, kind: type[T], otherwise: T) -> T:
    if not path.is_file():
        return otherwise
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelCorrupt(
            f"The model file {path} cannot be read: {error.errors()[0]['msg']}.",
            remedy="Take a whole copy of the model.",
        ) from None
