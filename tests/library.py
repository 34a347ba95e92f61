"""What the tests of reading have in store: the examples, and notes in many scripts. Nobody may change it."""

from pathlib import Path

from mcp_rag import importers
from mcp_rag.models import NewConversation, NewMessage
from mcp_rag.rag import Rag

NOTES = {
    "chinese": "数据库的迁移必须在停机窗口内完成,否则会影响北京的用户。",
    "japanese": "来週の金曜日に京都の図書館で会いましょう。ラーメンも食べたい。",
    "korean": "우리는 다음 주 수요일에 부산에서 계약서를 검토하기로 했습니다.",
    "thai": "ประชุมเรื่องงบประมาณประจำปีเลื่อนไปเป็นวันศุกร์หน้า",
    "arabic": "الاجتماع القادم سيكون في مكتبة الإسكندرية يوم الخميس.",
    "vowelled arabic": "قَرَأْتُ كِتَابًا عَنِ الفَلَكِ.",
    "hebrew": "הפגישה הבאה תתקיים בספרייה הלאומית בירושלים.",
    "pointed hebrew": "שָׁלוֹם לְכֻלָּם, הַמַּפְתֵּחַ מִתַּחַת לָעָצִיץ.",
    "hindi": "अगली बैठक दिल्ली के पुस्तकालय में होगी।",
    "russian": "Паспорт лежит в верхнем ящике письменного стола.",
    "greek": "Το κλειδί του αποθηκευτικού χώρου είναι στο συρτάρι.",
    "german": "Die Steuererklärung für das Büro in München liegt in der Straße der Jugend.",
    "french": "Le rendez-vous chez le prothésiste est déplacé, près du théâtre Molière.",
    "turkish": "İstanbul'daki toplantı ertelendi, IĞDIR da öyle.",
    "decomposed": "Die Pru\u0308fung im Schlo\u00df Scho\u0308nbrunn.",
    "full width": "ＡＢＣ１２３ ｶﾀｶﾅ の注文書。",
    "emoji": "The dress rehearsal was a triumph 🎉🦩 everybody danced.",
    "code": "Run `pg_dump --format=custom -f nightly.dump` and then call parseUserToken(request).",
    "numbers": "Invoice INV-20931 over 1,499.50 was paid on 2025-07-04, build 3.11.4-rc2.",
    "doctor": "The physician prescribed antibiotics for her sore throat.",
    "stars": "With the telescope on the roof we watched Jupiter and its moons until midnight.",
    "finance": "The mortgage has a fixed rate for ten years, after that the bank may raise it.",
    "mail": "Write to anna.lindqvist@example.org or see https://example.org/guides/walrus-care?page=2.",
}


async def fill(rag: Rag, examples: Path) -> None:
    """Store the examples and the notes, and embed them."""
    for name in ("claude-export.json", "handbook.md", "team-chat.jsonl"):
        for conversation in importers.read(examples / name):
            assert isinstance(conversation, NewConversation), conversation
            await rag.ingest(
                conversation.conversation_id,
                conversation.messages,
                title=conversation.title,
                source=conversation.source,
                kind=conversation.kind,
                tags=conversation.tags,
            )
    for name, text in NOTES.items():
        await rag.ingest(
            f"note-{name}", [NewMessage(text=text)], source="notes", tags=["note", name.split()[-1]]
        )
    await rag.vectors.drain()
