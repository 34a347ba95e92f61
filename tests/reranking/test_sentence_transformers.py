"""The sentence-transformers provider, with a cross-encoder of random weights: it shows how it is used."""

import math
from pathlib import Path

import pytest

from mcp_rag import reranking
from mcp_rag.errors import ModelCorrupt
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.reranking.local import BATCH

QUESTION = "Who dredged the harbour?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, files: ModelFiles) -> Path:
    """A very small BERT with one score as its output, and the default model's tokenizer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("cross-encoder")
    torch.manual_seed(1)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BertConfig(vocab_size=30522, num_labels=1, initializer_range=0.5, **shape)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((files.folder / name).read_bytes())
    return folder


@pytest.mark.torch
async def test_scores_are_logits_in_the_order_of_the_texts(folder: Path) -> None:
    reranker = reranking.create("sentence-transformers", str(folder))
    texts = [f"{'word ' * (n * 7 % 40)} the {n}th ship" for n in range(3 * BATCH)]
    together = await reranker.scores(QUESTION, texts, budget=60)
    for row in range(0, len(texts), 4):
        assert await reranker.scores(QUESTION, [texts[row]], budget=60) == pytest.approx(
            [together[row]], abs=1e-4
        )
    assert any(score is not None and not 0 <= score <= 1 for score in together)
    await reranker.close()


@pytest.mark.torch
@pytest.mark.parametrize("text", ["", "\0", "\ud800", "x" * 1_000_000, "a long text " * 10_000])
async def test_any_question_and_any_text_can_be_scored(folder: Path, text: str) -> None:
    reranker = reranking.create("sentence-transformers", str(folder))
    found = await reranker.scores(text, [text, "a ship"], budget=60)
    assert all(score is not None and math.isfinite(score) for score in found)
    await reranker.close()


@pytest.mark.torch
async def test_weights_that_cannot_be_read_are_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"these are no weights")
    reranker = reranking.create("sentence-transformers", str(tmp_path))
    with pytest.raises(ModelCorrupt, match=str(tmp_path)):
        await reranker.load()
    await reranker.close()
