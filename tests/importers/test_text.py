import codecs
from pathlib import Path

import pytest

from mcp_rag.errors import UnreadableSource

from .conftest import Write
from .sources import everything


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Some words.\n\n## Second *level* ##\n", "Second *level*"),
        ("```sh\n# a remark\n```\n# About C#\n", "About C#"),
        ("Title\n=====\n\ntext", "Title"),
        ("no heading at all", "notes.md"),
        ("#hashtag is no heading", "notes.md"),
        ("---\ntitle: 'Of: bread'\n---\n# Not this\n", "Of: bread"),
        ("---\r\nTitle: Windows\r\n---\r\n# No\r\n", "Windows"),
        ("---\nnever closed\n# Yes\n", "Yes"),
        ("# " + "long " * 100, ("long " * 100)[:200]),
    ],
)
def test_the_title_is_that_of_the_front_matter_or_the_first_heading_or_the_file(
    write: Write, text: str, title: str
) -> None:
    ((document,), _) = everything(write("notes.md", text))
    assert document.title == title
    assert [m.text for m in document.messages] == [text]


@pytest.mark.parametrize("tags", ["[bread, 'rye flour']", "bread, rye flour", '\n  - bread\n  - "rye flour"'])
def test_tags_and_date_are_read_from_the_front_matter(write: Write, tags: str) -> None:
    ((document,), _) = everything(
        write("n.md", f"---\ntags: {tags}\ndate: 2026-03-14\ndraft: true\n---\ntext\n")
    )
    assert document.tags == ("bread", "rye flour")
    assert str(document.messages[0].sent_at) == "2026-03-14 00:00:00+00:00"


@pytest.mark.parametrize(
    "content",
    [
        "Käse für 5 €\r\n".encode(),
        codecs.BOM_UTF8 + "Käse für 5 €\r\n".encode(),
        "Käse für 5 €\r\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "Käse für 5 €\r\n".encode("utf-16-be"),
        "Käse für 5 €\r\n".encode("utf-32"),
        "Käse für 5 €\r\n".encode("cp1252"),
        "Käse für 5 €\r\n€".encode()[:-1],
    ],
)
def test_text_is_read_in_the_encodings_that_people_have(write: Write, content: bytes) -> None:
    ((document,), _) = everything(write("n.txt", content))
    assert document.messages[0].text == "Käse für 5 €\r\n"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is not text"),
        (b"\x1f\x8b\x08\xff\xfe\x01\x02", "it is not text"),
        ("Käse".encode("utf-16-le"), "it is not text"),
        (b"", "it is empty"),
        (b"\xef\xbb\xbf \n", "it is empty"),
    ],
)
def test_what_is_not_text_is_refused_with_cause_and_remedy(write: Write, content: bytes, cause: str) -> None:
    path = write("n.txt", content)
    with pytest.raises(UnreadableSource) as caught:
        everything(path)
    assert caught.value.cause == f"{path} cannot be imported: {cause}."
    assert caught.value.remedy.endswith(".")


def test_a_large_file_with_hostile_lines_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "large.md"
    path.write_text(
        "---\n" + "a: b\n" * 100_000 + ("x" + " " * 300_000 + "\n") * 5 + "```\n" * 200_001 + "# End\n"
    )
    ((document,), _) = everything(path)
    assert document.title == "large.md"
