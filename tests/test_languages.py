"""A conversation's language, the forms of a word in it, and questions to a store of several languages."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mcp_rag import lexicon
from mcp_rag.languages import STEMMERS, detect, fold, function_words, spell, stem, variants
from tests.library import NOTES

CHATS = {
    "ar": """مرحبا، هل وصلت إلى البيت؟ نعم، أنا هنا منذ ساعة. هذا المطعم الذي زرناه كان جيدا جدا.
        متى سوف نذهب إلى السوق مع الأولاد؟ لا أعرف، ربما بعد العمل.""",
    "ca": """Hola, com estàs? Molt bé, i tu? Avui he anat a mercat amb la meva germana, però no hi havia peix.
        Què fas aquest vespre? Encara no ho sé, potser vaig al cinema amb els amics.""",
    "cs": """Ahoj, jak se máš? Dobře, ale dnes jsem v práci do večera. Kdy přijdeš domů?
        Ještě nevím, protože mi nejede vlak. Koupila jsem ti ten dárek, který jsi chtěl.""",
    "da": """Hej, hvordan går det? Fint, men jeg har travlt i dag. Hvornår kommer du hjem?
        Det ved jeg ikke, toget er forsinket igen. Jeg har købt den bog, som du gerne ville have af mig.""",
    "de": """Na, wie war dein Tag? Ganz gut, aber ich musste lange arbeiten. Hast du die Rechnung bezahlt?
        Noch nicht, das mache ich morgen, wenn ich wieder zu Hause bin 😀""",
    "el": """Γεια σου, τι κάνεις; Καλά είμαι, αλλά έχω πολλή δουλειά. Πότε θα έρθεις στο σπίτι;
        Δεν ξέρω ακόμα, γιατί το τρένο έχει καθυστέρηση. Πήρα το βιβλίο που ήθελες.""",
    "en": """Hey Melanie! How was your weekend? It was great, we went to the lake with the kids lol.
        Did you see the pictures I sent you? Not yet, I'll look at them when I'm home 😂""",
    "es": """Hola, ¿cómo estás? Muy bien, pero hoy tengo mucho trabajo. ¿A qué hora vienes a casa?
        Todavía no lo sé, porque el tren llega tarde. Ya compré el libro que me pediste.""",
    "fi": """Moi, mitä sinulle kuuluu? Ihan hyvää, mutta olen vielä töissä. Milloin sinä tulet kotiin?
        En tiedä vielä, koska juna on myöhässä. Ostin sen kirjan, jonka halusit.""",
    "fr": """Salut, tu vas bien ? Oui, mais je suis encore au bureau. Quand est-ce que tu rentres ?
        Je ne sais pas, le train est en retard. J'ai acheté le livre que tu voulais pour ton anniversaire.""",
    "hi": """नमस्ते, आप कैसे हैं? मैं ठीक हूँ, लेकिन आज बहुत काम है। तुम घर कब आओगे?
        मुझे अभी नहीं पता, क्योंकि ट्रेन देर से चल रही है।""",
    "hu": """Szia, hogy vagy? Jól, de még mindig dolgozom. Mikor jössz haza?
        Még nem tudom, mert késik a vonat. Megvettem azt a könyvet, amit kértél.""",
    "id": """Halo, apa kabar? Baik, tapi hari ini saya banyak kerjaan. Kapan kamu pulang ke rumah?
        Belum tahu, karena keretanya terlambat. Aku sudah beli buku yang kamu mau itu.""",
    "it": """Ciao, come stai? Bene, ma oggi ho un sacco di lavoro. A che ora torni a casa?
        Non lo so ancora, perché il treno è in ritardo. Ho comprato il libro che volevi tu.""",
    "nl": """Hoi, hoe gaat het met je? Goed, maar ik ben nog op mijn werk. Wanneer kom je naar huis?
        Dat weet ik nog niet, want de trein heeft vertraging. Ik heb het boek gekocht dat je wilde hebben.""",
    "no": """Hei, hvordan går det med deg? Bra, men jeg er fortsatt på jobb. Når kommer du hjem?
        Jeg vet ikke, toget er forsinket igjen. Jeg kjøpte noe til deg av mamma, og litt mat også.""",
    "pl": """Cześć, jak się masz? Dobrze, ale jestem jeszcze w pracy. Kiedy wrócisz do domu?
        Nie wiem, bo pociąg jest opóźniony. Kupiłam ci tę książkę, którą chciałeś.""",
    "pt": """Oi, tudo bem com você? Tudo, mas ainda estou no trabalho. Que horas você volta para casa?
        Não sei ainda, porque o trem está atrasado. Já comprei o livro que você queria.""",
    "ro": """Salut, ce mai faci? Bine, dar sunt încă la birou. Când vii acasă?
        Nu știu încă, pentru că trenul are întârziere. Am cumpărat cartea pe care o voiai.""",
    "ru": """Привет, как у тебя дела? Хорошо, но я ещё на работе. Когда ты приедешь домой?
        Пока не знаю, потому что поезд опаздывает. Я купила книгу, которую ты хотел.""",
    "sv": """Hej, hur mår du? Bra, men jag är fortfarande på jobbet. När kommer du hem?
        Det vet jag inte än, för tåget är försenat. Jag köpte den där boken som du ville ha.""",
    "tr": """Merhaba, nasılsın? İyiyim ama bugün çok işim var. Eve ne zaman geleceksin?
        Daha bilmiyorum, çünkü tren gecikti. Senin istediğin kitabı da aldım, ona göre.""",
    "zh": "你今天晚上几点回家？我还不知道，因为火车晚点了。我买了你想要的那本书。",
    "ja": "今日は何時に帰りますか。まだわかりません、電車が遅れているので。欲しがっていた本を買いました。",
    "ko": "오늘 몇 시에 집에 와요? 아직 몰라요, 기차가 늦어서요. 네가 원하던 책을 샀어요.",
}
FORMS = {
    "ar": ("كتاب", "الكتاب"),
    "ca": ("reunió", "reunions"),
    "cs": ("hrad", "hradech"),
    "da": ("opgave", "opgaverne"),
    "de": ("Haus", "Häuser"),
    "el": ("σπίτι", "σπίτια"),
    "en": ("meeting", "meetings"),
    "es": ("canción", "canciones"),
    "fi": ("talossa", "talosta"),
    "fr": ("arrivée", "arriver"),
    "hi": ("किताब", "किताबें"),
    "hu": ("asztalok", "asztalnak"),
    "id": ("makanan", "makan"),
    "it": ("abitazione", "abitazioni"),
    "nl": ("vergaderingen", "vergadering"),
    "no": ("oppgave", "oppgavene"),
    "pl": ("kobieta", "kobietami"),
    "pt": ("trabalhar", "trabalhamos"),
    "ro": ("casă", "case"),
    "ru": ("новый", "новыми"),
    "sv": ("flickor", "flickorna"),
    "tr": ("kitaplar", "kitaplarımız"),
}


@pytest.mark.parametrize("language", CHATS)
def test_a_chat_is_known_to_be_in_its_language(language: str) -> None:
    assert detect(CHATS[language]) == language


@pytest.mark.parametrize("language", STEMMERS)
def test_one_form_of_a_word_finds_the_other(language: str) -> None:
    one, other = FORMS[language]
    assert stem(spell(one), language) == stem(spell(other), language)
    assert stem(spell(one.upper()), language) == stem(spell(one), language)


@pytest.mark.parametrize("language", STEMMERS)
def test_every_language_has_function_words_that_its_own_chat_uses(language: str) -> None:
    words = spell(CHATS[language]).casefold().split()
    assert len(function_words(language).intersection(words)) >= 5


def test_what_is_too_short_or_in_another_language_is_not_guessed_at() -> None:
    for text in [
        "",
        "ok",
        "🎉🎉",
        "Melanie",
        "Mañana!",
        "12:30",
        "https://example.org/das/ist/nicht/die/seite",
    ]:
        assert detect(text) is None, text
    ukrainian = "Привіт, як у тебе справи? Добре, але я ще на роботі. Коли ти приїдеш додому?"
    slovak = "Ahoj, ako sa máš? Dobre, ale ešte som v práci. Kedy prídeš domov? Neviem, pretože mešká vlak."
    assert detect(ukrainian) is None
    assert detect(slovak) is None


def test_english_stays_english_among_names_code_and_addresses() -> None:
    chat = """Hey Søren, did Jürgen and José see the résumé of Zoë from Łódź? 😀 See https://de.example.org/die/und/der
        ```der = die + das; und = nicht(ist)```
        I think so, but María Núñez will know when she is back."""
    assert detect(chat) == "en"


def test_a_chat_about_code_is_in_the_language_around_the_code() -> None:
    assert (
        detect("Das ist nicht der Fehler, aber ich sehe es mir an:\n```\n" + "for x in the_list:\n" * 50)
        == "de"
    )


def test_a_conversation_is_in_the_language_that_most_of_it_is_in() -> None:
    assert detect(CHATS["en"] + CHATS["fr"] * 3) == "fr"
    assert detect(CHATS["en"] * 3 + CHATS["fr"]) == "en"
    assert detect(CHATS["zh"] + " API server") == "zh"


@pytest.mark.parametrize("language", [None, "zh", "ja", "ko", "tlh"])
def test_without_a_stemmer_words_are_stemmed_as_english(language: str | None) -> None:
    assert stem("Meetings", language) == stem("meeting", "en") == "meet"
    assert stem("Cafés", language) == stem("cafe", None)


def test_accents_are_used_by_the_stemmer_and_then_left_out() -> None:
    assert stem("mangées", "fr") == stem("manger", "fr") == "mang"
    assert stem("новый", "ru") == stem("новая", "ru")
    assert stem("IŞIKLAR", "tr") == stem("ışık", "tr") == fold(stem("ışık", "tr"))


def test_many_threads_may_stem_at_the_same_time() -> None:
    words = [(word, language) for language, pair in FORMS.items() for word in pair] * 40
    alone = [stem(*word) for word in words]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda word: stem(*word), words)) == alone


def test_a_question_to_a_store_in_one_language_has_one_stem_for_each_word() -> None:
    assert variants(["when", "is", "the", "meeting"], ["en"]) == [{"meet"}]
    assert variants(["Wann", "ist", "die", "Sitzung"], ["de"]) == [{stem("Sitzung", "de")}]


def test_a_question_to_a_store_in_several_languages_looks_for_the_stems_of_each() -> None:
    (houses,) = variants(["Häuser"], ["de", "en", None])
    assert {stem("Haus", "de"), stem("Häuser", "en")} == houses
    assert variants(["pizza"], ["de", "zh"]) == [{"pizza"}]


@pytest.mark.parametrize(
    ("question", "languages", "kept"),
    [
        ("how did he die", ["de", "en"], ["die"]),
        ("die hard", ["de", "en"], ["die", "hard"]),
        ("wann ist die Sitzung", ["de", "en"], ["Sitzung"]),
        ("was ist das", ["de", "en"], ["was", "ist", "das"]),
        ("was the bill paid", ["de", "en"], ["bill", "paid"]),
        ("where is my son", ["es", "en", "fr"], ["son"]),
        ("quiénes son los padres", ["es", "en"], ["padres"]),
        ("pour the milk", ["en", "fr"], ["pour", "the", "milk"]),
        ("pour qui est le lait", ["en", "fr"], ["lait"]),
        ("when will they come", ["en", "it"], ["come"]),
        ("come si chiama il cane", ["en", "it"], ["chiama", "cane"]),
        ("the who", ["en"], ["the", "who"]),
    ],
)
def test_a_function_word_is_left_out_only_where_the_question_may_not_mean_another(
    question: str, languages: list[str], kept: list[str]
) -> None:
    words = question.split()
    alone = [variants([word], languages)[0] for word in kept]
    assert variants(words, languages) == alone


def test_a_word_with_accents_is_also_looked_for_in_text_without_them() -> None:
    (found,) = variants(["mangées"], ["fr"])
    assert {stem("manger", "fr"), stem("mangees", "fr")} <= found


def test_english_function_words_are_those_of_the_lexicon() -> None:
    question = "what is the answer and why should they have it"
    assert variants(question.split(), [None]) == [{"answer"}]
    assert lexicon.query_terms(question, tenant_id=1) == lexicon.query_terms("answer", tenant_id=1)


@pytest.mark.parametrize("name", ["chinese", "japanese", "korean", "thai"])
def test_text_without_spaces_is_still_found_by_its_pairs_of_characters(name: str) -> None:
    passage = lexicon.passage_terms(NOTES[name], tenant_id=1, average_length=40.0)
    asked = lexicon.query_terms(NOTES[name][:3], tenant_id=1)
    assert asked.keys() <= set(passage.terms)
    assert len(asked) == 2
