"""Sets that the tests make up."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]


def line(name: str, text: str, **meta: Any) -> Line:
    return {"id": name, "text": text, "meta": meta}


def write(folder: Path, corpus: Sequence[Line], queries: Sequence[Line], **files: str) -> Path:
    """A folder with a set; `files` are the further ones, without their suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("corpus", corpus), ("queries", queries)):
        text = "".join(json.dumps(each) + "\n" for each in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    for name, text in files.items():
        suffix = "txt" if name.startswith("sample") else "tsv"
        (folder / f"{name}.{suffix}").write_text(text.replace(" ", "\t"), encoding="utf-8")
    return folder


def garden(folder: Path) -> Path:
    """Two chats about gardens, of a dozen messages: five questions with an answer, two without."""
    said = [
        ("g1", "g1:s1", "Mira", "I planted three rows of garlic along the south wall."),
        ("g1", "g1:s1", "Tomas", "My greenhouse heater broke during the frost on Monday."),
        ("g1", "g1:s1", "Mira", "The slugs ate all of my lettuce seedlings."),
        ("g1", "g1:s2", "Tomas", "I bought a copper watering can at the flea market."),
        ("g1", "g1:s2", "Mira", "We will swap tomato seeds in April."),
        ("g1", "g1:s2", "Tomas", "The rain barrel holds two hundred litres."),
        ("g2", "g2:s1", "Odile", "Our beehive swarmed into the neighbour's pear tree."),
        ("g2", "g2:s1", "Piet", "I sharpen the pruning shears every winter."),
        ("g2", "g2:s1", "Odile", "The compost heap reached sixty degrees."),
        ("g2", "g2:s2", "Piet", "A hedgehog sleeps under the woodpile."),
        ("g2", "g2:s2", "Odile", "The new pond liner is made of rubber."),
        ("g2", "g2:s2", "Piet", "I painted the shed door green."),
    ]
    corpus = [
        line(f"row{n}", text, group=group, session=session, speaker=who, ord=n, date="7:05 pm on 3 May, 2024")
        for n, (group, session, who, text) in enumerate(said)
    ]
    queries = [
        line(
            "q0", "What did Mira plant along the south wall?", group="g1", category="plain", answer="garlic"
        ),
        line("q1", "Which heater broke during the frost?", group="g1", category="plain", answer="greenhouse"),
        line("q2", "What did Tomas buy at the flea market?", group="g1", category="plain", answer="a can"),
        line("q3", "Where did the beehive swarm?", group="g2", category="plain", answer="over the fence"),
        line("q4", "Which door and which liner are new or painted?", group="g2", category="both"),
        line(
            "q5", "What did Tomas plant along the south wall?", group="g1", category="adversarial", answer=""
        ),
        line("q6", "How long is the train journey to Lisbon?", group="g2", category="unanswerable"),
        line("q7", "Is it judged?", group="g2", category="plain", answer="no"),
    ]
    return write(
        folder,
        corpus,
        queries,
        qrels="q0 row0 1\nq1 row1 1\nq2 row3 1\nq3 row6 1\nq4 row10 1\nq4 row11 1\n",
        qrels_session="q0 g1:s1 1\nq1 g1:s1 1\nq2 g1:s2 1\nq3 g2:s1 1\nq4 g2:s2 1\n",
        qrels_adversarial="q5 row0 1\n",
    )
