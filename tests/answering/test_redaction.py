"""Every secret here is made up as the test runs, so that none stands in the repository."""

import base64
import json
import random
import string
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_rag.answering.redaction import MASK, masked, redacted, require
from mcp_rag.models import Evidence, Hit

BASE62 = string.ascii_letters + string.digits
URL_SAFE = BASE62 + "-_"
BASE64 = BASE62 + "+/"
BASE32 = string.ascii_uppercase + "234567"
HEX = "0123456789abcdef"
LOWER = string.ascii_lowercase + string.digits

Value = Callable[[random.Random], str]


def of(alphabet: str, length: int) -> Value:
    return lambda chance: "".join(chance.choices(alphabet, k=length))


def joined(*parts: str | Value) -> Value:
    return lambda chance: "".join(part if isinstance(part, str) else part(chance) for part in parts)


def web_token(chance: random.Random) -> str:
    header = {"alg": "HS256", "typ": "JWT"}
    claims = {"sub": str(chance.randrange(10**9)), "name": "Anna", "iat": chance.randrange(10**9)}
    parts = [json.dumps(part).encode() for part in (header, claims)] + [chance.randbytes(32)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def card(form: str) -> Value:
    """A number with a right check digit; # stands for any digit, the last of all for the check digit."""

    def number(chance: random.Random) -> str:
        first = "".join(str(chance.randrange(10)) if mark == "#" else mark for mark in form[:-1])
        return next(first + last for last in "0123456789" if _luhn(first + last))

    return number


def _luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number) if digit.isdigit()]
    return sum(digits[::2], sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def password(chance: random.Random) -> str:
    """What people choose: a word, a number, a sign."""
    word = chance.choice(["Sommer", "hunter", "Geheim", "dragon", "Bratwurst"])
    return f"{word}{chance.randrange(1, 9999)}{chance.choice('!#$%_-')}"


KNOWN_BY_FORM: dict[str, Value] = {
    "AWS access key": joined("AKIA", of(BASE32, 16)),
    "AWS temporary access key": joined("ASIA", of(BASE32, 16)),
    "GitHub token": joined("ghp_", of(BASE62, 36)),
    "GitHub app token": joined("ghs_", of(BASE62, 36)),
    "GitLab personal token": joined("glpat-", of(URL_SAFE, 20)),
    "GitLab runner token": joined("glrt-", of(URL_SAFE, 20)),
    "Slack bot token": joined(
        "xoxb-", of(string.digits, 11), "-", of(string.digits, 12), "-", of(BASE62, 24)
    ),
    "Slack webhook": joined(
        "https://hooks.slack.com/services/T", of(BASE62, 8), "/B", of(BASE62, 8), "/", of(BASE62, 24)
    ),
    "Stripe key": joined("sk_live_", of(BASE62, 24)),
    "Stripe key, long": joined("rk_live_", of(BASE62, 99)),
    "SendGrid key": joined("SG.", of(URL_SAFE, 22), ".", of(URL_SAFE, 43)),
    "Twilio key": joined("SK", of(HEX, 32)),
    "OpenAI key": joined("sk-", of(BASE62, 20), "T3BlbkFJ", of(BASE62, 20)),
    "OpenAI project key": joined("sk-proj-", of(URL_SAFE, 30), of(BASE62, 20), "T3BlbkFJ", of(BASE62, 20)),
    "PyPI token": joined("pypi-AgEIcHlwaS5vcmc", of(URL_SAFE, 120)),
    "Discord bot token": joined("M", of(BASE62, 23), ".", of(URL_SAFE, 6), ".", of(URL_SAFE, 27)),
    "Telegram bot token": joined(of(string.digits, 9), ":", of(URL_SAFE, 35)),
    "Mailchimp key": joined(of(HEX, 32), "-us", of("123456789", 1)),
    "Square secret": joined("sq0csp-", of(URL_SAFE, 43)),
    "JSON web token": web_token,
}
"""Found wherever they stand."""

KNOWN_BY_CHANCE: dict[str, tuple[float, Value]] = {
    "GitHub fine-grained token": (0.99, joined("github_pat_", of(BASE62, 22), "_", of(BASE62, 59))),
    "Anthropic key": (0.99, joined("sk-ant-api03-", of(URL_SAFE, 93), "AA")),
    "Google API key": (0.95, joined("AIza", of(URL_SAFE, 35))),
    "Hugging Face token": (0.7, joined("hf_", of(string.ascii_letters, 34))),
    "npm token": (0.95, joined("npm_", of(BASE62, 36))),
    "Stripe test key": (0.99, joined("sk_test_", of(BASE62, 99))),
    "webhook secret": (0.95, joined("whsec_", of(BASE62, 32))),
    "AWS secret key": (0.95, of(BASE64, 40)),
    "bearer token": (0.95, of(BASE62, 40)),
    "bearer token, URL-safe": (0.95, of(URL_SAFE, 43)),
    "base64 of 32 bytes": (0.95, lambda chance: base64.b64encode(chance.randbytes(32)).decode()),
    "32 letters and digits": (0.85, of(BASE62, 32)),
    "24 letters and digits": (0.55, of(BASE62, 24)),
    "20 letters and digits": (0.25, of(BASE62, 20)),
}
"""Found for how random they look, at least so often."""

KNOWN_BY_PLACE: dict[str, tuple[str, Value]] = {
    "AWS secret key in a file": ("AWS_SECRET_ACCESS_KEY={}", of(BASE64, 40)),
    "AWS secret key in code": ('aws_secret_token = "{}"  # mine', of(BASE64, 40)),
    "Azure connection string": (
        "DefaultEndpointsProtocol=https;AccountName=anna;AccountKey={};EndpointSuffix=core.windows.net",
        joined(of(BASE64, 86), "=="),
    ),
    "IBM Cloud key": ("ibm_cloud_api_key: {} works", of(URL_SAFE, 44)),
    "IBM storage key": ("cos_hmac_secret_access_key = {}", of(HEX, 48)),
    "SoftLayer key": ("softlayer_api_key {}", of(LOWER, 64)),
    "Cloudant password": ("cloudant_password: {}", of(HEX, 64)),
    "npm authentication": ("//registry.npmjs.org/:_authToken={}", joined("npm_", of(BASE62, 36))),
    "password in a URL": ("see postgresql://app:{}@db.example.com:5432/shop?sslmode=require", of(BASE62, 12)),
    "password with signs in a URL": (
        "redis: rediss://cache:{}@10.0.0.5:6380/0.",
        joined("p!$", of(BASE62, 9)),
    ),
    "password without a name in a URL": ("use redis://:{}@cache:6379 for now", of(BASE62, 12)),
    "password with an at sign in a URL": ("amqp://rabbit:{}@mq/vhost", joined("p@", of(BASE62, 9))),
    "password that is told": ("Hi Tom, password: {}, please change it", password),
    "password with a colon and no space": ("wlan pwd:{}", password),
    "password of one word": ("password: {}", of(string.ascii_lowercase, 10)),
    "password of one word, mid-line": (
        "host=db user=app password={} dbname=shop",
        of(string.ascii_lowercase, 10),
    ),
    "password of digits": ("password: {}", of(string.digits, 8)),
    "password in an environment file": ("export DB_PASSWORD={}", password),
    "password in a database's string": ("Server=db;User Id=sa;Password={};Database=shop;", password),
    "password in code": ("connect(user, password='{}', timeout=3)", password),
    "password in code, compared": ("if password == '{}': return True", password),
    "password in C": ('char password[25] = "{}";', password),
    "password in Go": ('password := "{}"', password),
    "password in Ruby": (':password => "{}",', password),
    "password in Markdown": ("- **Password:** `{}` (the old one)", password),
    "password of a name in backticks": ("`password`: `{}`: that is it", password),
    "password in a bold line": ("**password: {}**", of(string.ascii_lowercase, 10)),
    "password in bold type": ("**Passwd**: **{}** ok?", joined(of(BASE62, 6), "7", of(BASE62, 4))),
    "password in JSON": ('{{"user": "anna", "password": "{}", "port": 5432}}', password),
    "client secret in JSON": ('{{"client_secret":"{}"}}', of(URL_SAFE, 32)),
    "key in YAML": ("  api_key: {}", of(HEX, 32)),
    "key in a query": ("curl 'https://api.example.com/v1?api_key={}&city=Berlin'", of(HEX, 32)),
    "secret of Django": ("SECRET_KEY = '{}'", joined("django-insecure-", of(BASE62 + "#$%^&*(-_=+)", 40))),
    "password in Spanish": ("contraseña: {}", password),
    "password in German": ("Das WLAN-Passwort: {} (gilt bis Freitag)", password),
    "password in French": ("mot de passe : {}", password),
    "password in Japanese": ("パスワード：{}。", password),
    "passphrase": ('passphrase = "{}"', joined(password, " ", password)),
}
"""Found by what stands around them."""

CARDS: dict[str, Value] = {
    "Visa": card("4###############"),
    "Visa, old": card("4############"),
    "Visa in fours": card("4### #### #### ####"),
    "Visa with hyphens": card("4###-####-####-####"),
    "Mastercard": card("53##############"),
    "Mastercard, new": card("2345############"),
    "American Express": card("37#############"),
    "American Express in groups": card("34## ###### #####"),
    "Diners Club in groups": card("36## ###### ####"),
    "Discover": card("6011############"),
    "JCB": card("3530############"),
    "UnionPay of 19": card("62#################"),
    "Maestro": card("6759############"),
    "Mir": card("2200############"),
}

SAID = (
    "{}",
    "Here you are: {}",
    "my key is {}, please delete it afterwards.",
    "Der Schlüssel ist „{}“ – bitte löschen!",
    "`{}`",
    "[{}] (old)",
    "<b>{}</b>",
    "鍵は{}です。",
    "line one\nline two {}\r\n\tline three\n",
)

KEYS = ("RSA", "EC", "DSA", "OPENSSH", "ENCRYPTED", "")


def values(value: Value, count: int = 20) -> list[str]:
    chance = random.Random(20261126)
    return [value(chance) for _ in range(count)]


def without(text: str, secret: str) -> str:
    """The text with the secret masked, and nothing else."""
    assert secret in text
    return text.replace(secret, "".join(c if c.isspace() else MASK for c in secret))


def key_block(kind: str, chance: random.Random, lines: int = 12) -> str:
    name = f"{kind} PRIVATE KEY".strip()
    body = "\n".join(of(BASE64, 64)(chance) for _ in range(lines))
    return f"-----BEGIN {name}-----\n{body}\n{of(BASE64, 21)(chance)}==\n-----END {name}-----"


# What is masked.


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("kind", KNOWN_BY_FORM)
def test_a_secret_of_a_known_form_is_masked_wherever_it_is_said(kind: str, said: str) -> None:
    for secret in values(KNOWN_BY_FORM[kind]):
        assert masked(said.format(secret)) == without(said.format(secret), secret)


@pytest.mark.parametrize("kind", KNOWN_BY_PLACE)
def test_a_value_that_a_secret_s_name_stands_before_is_masked_and_nothing_else(kind: str) -> None:
    line, value = KNOWN_BY_PLACE[kind]
    for secret in values(value):
        assert masked(line.format(secret)) == without(line.format(secret), secret)


@pytest.mark.parametrize("kind", KNOWN_BY_CHANCE)
def test_a_token_of_no_known_form_is_masked_for_looking_random(kind: str) -> None:
    share, value = KNOWN_BY_CHANCE[kind]
    texts = [(f"token {secret} ok", secret) for secret in values(value, 300)]
    found = sum(masked(text) == without(text, secret) for text, secret in texts)
    assert found >= 300 * share, f"{found} of 300"


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("kind", CARDS)
def test_a_card_s_number_is_masked(kind: str, said: str) -> None:
    for number in values(CARDS[kind]):
        assert masked(said.format(number)) == without(said.format(number), number)


def test_a_card_s_number_in_wide_digits_is_masked() -> None:
    number = values(card("4###############"))[0]
    wide = number.translate({ord("0") + n: ord("０") + n for n in range(10)})
    assert masked(f"カード番号は{wide}です") == f"カード番号は{MASK * 16}です"


def test_digits_that_are_no_card_s_number_stay() -> None:
    number = values(card("4###############"))[0]
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    for text in (
        wrong,
        f"+{number}",
        f"x{number}",
        f"{number}0000",
        f"0.{number}",
        f"{number}.5",
        number[:12],
    ):
        assert masked(text) == text


@pytest.mark.parametrize("kind", KEYS)
def test_a_private_key_is_masked_through_its_last_line(kind: str) -> None:
    for block in values(lambda chance: key_block(kind, chance), 10):
        text = f"Anna: here it is\n{block}\nthanks, bye"
        assert masked(text) == without(text, block)


def test_a_private_key_of_pgp_is_masked_with_its_headers() -> None:
    chance = random.Random(1)
    name = "PGP PRIVATE KEY BLOCK"
    block = (
        f"-----BEGIN {name}-----\nVersion: GnuPG v2\n\n{of(BASE64, 64)(chance)}\n=aB3d\n-----END {name}-----"
    )
    assert masked(f"> {block}\n> ok") == without(f"> {block}\n> ok", block)


def test_a_private_key_in_one_line_of_json_is_masked() -> None:
    block = key_block("", random.Random(1)).replace("\n", "\\n")
    text = f'{{"type": "service_account", "private_key": "{block}\\n", "client_id": "1042"}}'
    assert masked(text) == without(text, block)


def test_two_private_keys_leave_what_is_said_between_them() -> None:
    one, other = key_block("RSA", random.Random(1)), key_block("EC", random.Random(2))
    text = f"{one}\nand the other one:\n{other}\n."
    assert masked(text) == without(without(text, one), other)


def test_a_private_key_that_is_cut_is_masked_as_far_as_it_goes() -> None:
    lines = key_block("RSA", random.Random(1)).split("\n")
    first, last = "\n".join(lines[:7]), "\n".join(lines[7:])
    assert masked(f"look:\n{first}") == without(f"look:\n{first}", first)
    assert masked(f"{last}\nthat was it") == without(f"{last}\nthat was it", last)


def test_a_private_key_of_putty_is_masked() -> None:
    chance = random.Random(1)
    body = "\n".join(of(BASE64, 64)(chance) for _ in range(3))
    head = "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nPrivate-Lines: 3"
    block = f"{head}\n{body}\nPrivate-MAC: {of(HEX, 64)(chance)}"
    assert masked(f"ppk:\n{block}\nbye") == without(f"ppk:\n{block}\nbye", block)


def test_several_secrets_in_a_line_are_all_masked() -> None:
    one, two, three = values(password, 3)
    text = f"user: anna password: {one} secret: {two} url: ftp://anna:{three}@host"
    expected = f"user: anna password: {MASK * len(one)} secret: {MASK * len(two)} url: ftp://anna:"
    assert masked(text) == f"{expected}{MASK * len(three)}@host"


def test_spaces_in_a_secret_stay() -> None:
    assert (
        masked('passphrase_password = "so long a sentence"') == 'passphrase_password = "██ ████ █ ████████"'
    )


# What gets through, so that nobody relies on it.


@pytest.mark.parametrize(
    ("said", "value"),
    [
        pytest.param("my password is {}", password, id="password in a sentence"),
        pytest.param("log in with anna / {}", password, id="password without a name"),
        pytest.param("password: {}", joined("$", password), id="password that begins with a sign"),
        pytest.param("The secret: {}", of(string.ascii_lowercase, 10), id="secret of one word"),
        pytest.param("password = {}", of(string.ascii_lowercase, 10), id="password of one word, as in code"),
        pytest.param(
            "password: {} and so on", of(string.ascii_lowercase, 10), id="password of one word, in talk"
        ),
        pytest.param("token: {}", of(LOWER, 24), id="token of no capitals"),
        pytest.param("dop_v1_{}", of(HEX, 64), id="token of hexadecimal digits"),
        pytest.param("PIN: {}", of(string.digits, 4), id="PIN"),
        pytest.param("| password | {} |", password, id="password in a table"),
        pytest.param("IBAN DE{}", of(string.digits, 20), id="account number"),
    ],
)
def test_what_is_known_to_get_through(said: str, value: Value) -> None:
    for secret in values(value):
        assert masked(said.format(secret)) == said.format(secret)


# What is not masked.

ORDINARY = """
Tom, the meeting on 2026-11-26 at 14:30 (UTC+01:00) moved to Friday, 27.11.2026; dial +49 30 901820 or
(555) 010-9999, +1-202-555-0143, 0049 151 23456789, 090-1234-5678. Room 4.2.11, seat 12-B, 3.5 % more.
Order 4500123456, invoice RE-2026-004711, parcel 00340434161094042557, ticket ABC-1234, GTIN 9783161484100.
Epochs 1764167400, 1764167400123 and 1764167400123456789; 12345678901234567890 is too long to be anything.
Dates in a row: 2026-11-26 2026-11-27 2026-11-28, times 10:30 11:30 12:30, coordinates 52.520008, 13.404954.
commit 9fceb02d0ae598e95dc970b74767f19372d61af8 (HEAD -> main), short 9fceb02
tree d8329fc1cc938780ffdd9f94e0d364e0ea74f579
sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 md5 d41d8cd98f00b204e9800998ecf8427e
id 550e8400-e29b-41d4-a716-446655440000, {8F14E45F-CEEA-467F-A8D8-1C1A7B5D3E21}, 01ARZ3NDEKTSV4RRFFQ69G5FAV
"sha": "9fceb02d0ae598e95dc970b74767f19372d61af8", "uuid": "550e8400-e29b-41d4-a716-446655440000"
https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=42s https://example.com/a/b-c_d/E2?page=2&sort=asc#Section-3
https://github.com/pgvector/pgvector/pull/1234/files/9fceb02d0ae598e95dc970b74767f19372d61af8
http://localhost:8080/health ftp://ftp.example.com/pub
mailto:anna.schmidt@example.com git@github.com:anna/rag.git
/home/anna/Projects/2026/Q3_Report-Final_v2/index.html
C:\\Users\\Anna\\AppData\\Local\\Temp\\setup_2026-11-26.log
python-3.11.14-linux-x86_64, v2.3.0-rc.1+build.57, ubuntu-24.04.3-live-server-amd64.iso, ISO/IEC 27001:2022
I forgot my password again. What is the secret of good bread? Time. The password: ask Anna. Password reset?
The secret: always be kind. My api_key docs: https://docs.example.com/keys. Passwords: 8-16 characters.
Which token limit? 128000 tokens, 4096 per answer. A secret santa: 24.12. at noon, secrets: 3 of 5 found.
Wrong password: try again later. Is the key a secret? The public key: see below. New password: not yet
Donaudampfschifffahrtsgesellschaftskapitän, Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz.
Das Passwort steht nicht hier; Kennwort vergessen? Am 3. Oktober, Straße des 17. Juni 135, 10623 Berlin.
Schlüssel: liegt unter der Matte. Geheimnis: keines. Größe 1.234,56 € – „so ist es“, sagte Jürgen.
パスワードを忘れました。秘密：なし。パスワード：忘れました
東京都千代田区千代田１−１、電話 03-1234-5678、2026年11月26日14時30分。
会議は金曜日です。注文番号は4500123456789です。API キーは管理者に聞いてください。
- [ ] rotate the keys  - [x] **done:** all  > quoted  | a | b |  1. first  2. second  `code`  ***bold***
The quick brown fox jumps over the lazy dog; THE-QUICK-BROWN-FOX-2026; supercalifragilisticexpialidocious
def login(user: str, password: str, *, api_key: str | None = None) -> Token:
    password = os.environ["DB_PASSWORD"]
    secret = settings.secret_key
    if password != other.password and not verify_password(password, user.password_hash):
        raise InvalidPassword("Wrong password.")
    return client.connect(user=user, password=password, secret=get_secret("db", version=2), timeout=30)
class AbstractSingletonProxyFactoryBean2Test extends OAuth2AuthenticationManagerIntegrationTestCase {
const { apiKey, clientSecret } = await fetchSecrets(); // TODO(anna): rotate
SELECT password_hash, secret_id FROM users WHERE api_key IS NOT NULL AND password_changed_at > now();
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
export PATH=$HOME/.local/bin:$PATH PASSWORD=$1 SECRET=${SECRET:-} API_KEY=<your-key>
  password: ${DB_PASSWORD}
  client_secret: {{ vault.client_secret }}
E = mc^2, f(x) = 3x + 2, a[i+1] == b[j-1], 0xDEADBEEF, #ff8800, 1e-9, x86_64, utf8mb4_unicode_ci
LC_ALL=C.UTF-8
ssh-keygen -t ed25519 writes id_ed25519 and id_ed25519.pub; "BEGIN CERTIFICATE" is no secret.
"""


@pytest.mark.parametrize("line", [line for line in ORDINARY.split("\n") if line])
def test_an_ordinary_line_stays_as_it_is(line: str) -> None:
    assert masked(line) == line


def test_an_ordinary_page_stays_as_it_is() -> None:
    assert masked(ORDINARY) == ORDINARY
    assert masked("") == ""


def test_talk_of_a_private_key_is_not_taken_for_one() -> None:
    name = "RSA PRIVATE KEY"
    text = f"It begins with `-----BEGIN {name}-----`, I think.\nThen comes base64.\nCheers"
    assert masked(text).split("\n")[1:] == ["Then comes base64.", "Cheers"]


# How.

MARKS = r"""password api_key secret aws key = := => : " ' ` ** :// // @ - ; & ( ) [ ] █ eyJ AKIA 4111 0000
AbCd1234EfGh5678IjKl90 -----BEGIN -----END ----- :_authToken= / a 0 aA1 x. \n eyJ. ://a: ://a:b@ password:
password=" secret== BEGIN //:_authToken="""
FRAGMENTS = [*MARKS.split(), "RSA PRIVATE KEY", " ", "4 ", "key ", "\n", "\r\n", "\u2028", "\ud800"]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), max_size=30).map("".join))
def test_length_and_white_space_never_change(text: str) -> None:
    hidden = masked(text)
    assert len(hidden) == len(text)
    for before, after in zip(text, hidden, strict=True):
        assert after == before or (after == MASK and not before.isspace())


@settings(max_examples=100)
@given(
    st.text(max_size=30),
    st.sampled_from([*KNOWN_BY_FORM.values()]),
    st.text(max_size=30),
    st.integers(0, 10**6),
)
def test_what_stands_around_does_not_save_a_secret(before: str, value: Value, after: str, seed: int) -> None:
    secret = value(random.Random(seed))
    hidden = masked(f"{before} {secret} {after}")
    assert hidden[len(before) + 1 : len(before) + 1 + len(secret)] == MASK * len(secret)


@pytest.mark.parametrize("unit", [*FRAGMENTS, f"-----BEGIN {KEYS[0]} PRIVATE KEY-----\n"])
def test_a_long_line_of_anything_is_read_in_good_time(unit: str) -> None:
    text = unit * (10_000 // len(unit))
    began = time.process_time()
    masked(text)
    assert time.process_time() - began < 2


def test_many_threads_mask_as_one_does() -> None:
    lines = [line.format(value(random.Random(1))) for line, value in KNOWN_BY_PLACE.values()]
    texts = ["\n".join(lines), ORDINARY, *lines] * 5
    expected = [masked(text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(masked, texts)) == expected


def test_the_library_s_settings_are_left_alone() -> None:
    from detect_secrets.settings import get_settings

    before = get_settings.cache_info()
    masked(ORDINARY)
    assert get_settings.cache_info() == before


# Evidence.


def evidence(*sentences: str, shown: str | None = None, **fields: object) -> Evidence:
    text = "".join(sentences)
    hit = Hit(
        id="chat#0",
        url="conversation://chat/messages/0",
        conversation_id="chat",
        position=0,
        date=datetime(2026, 11, 26, tzinfo=UTC),
        score=1.0,
        text=text if shown is None else shown,
        **({"title": "Chat", "speaker": None} | fields),  # type: ignore[arg-type]
    )
    return Evidence(hit=hit, sentences=sentences)


def test_a_secret_that_goes_over_sentences_is_masked_in_each() -> None:
    block = key_block("RSA", random.Random(1))
    sentences = tuple(f"{line}\n" for line in block.split("\n"))
    (hidden,) = redacted([evidence("Here it is. ", *sentences, "Bye.")])
    assert hidden.text == without(f"Here it is. {block}\nBye.", block)
    assert [len(s) for s in hidden.sentences] == [12, *map(len, sentences), 4]
    assert hidden.hit.text == hidden.text


def test_title_speaker_and_neighbours_are_masked_too() -> None:
    (secret,) = values(password, 1)
    said = f"password: {secret}"
    item = evidence("Hello. ", "You there?", title=said, speaker=said, before=(said,), after=("ok", said))
    (hidden,) = redacted([item])
    hit = hidden.hit
    assert (hit.title, hit.speaker, hit.before, hit.after) == (
        without(said, secret),
        without(said, secret),
        (without(said, secret),),
        ("ok", without(said, secret)),
    )
    assert hidden.sentences == item.sentences


def test_a_snippet_that_begins_within_a_secret_does_not_show_its_rest() -> None:
    block = key_block("RSA", random.Random(1), lines=4)
    (hidden,) = redacted([evidence(f"{block}\n", "Bye.", shown=block[-60:])])
    assert hidden.hit.text == without(block[-60:], block[-60:])


def test_evidence_without_secrets_is_the_same_evidence() -> None:
    items = [evidence("Hello. ", "You there?"), evidence("日本。", "Gut.", speaker="Anna"), evidence()]
    assert redacted(items) == items
    assert redacted([]) == []


# What it needs.


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, check=True, text=True
    ).stdout


@pytest.mark.parametrize("package", ["detect_secrets", "stdnum"])
def test_where_a_package_is_missing_the_remedy_is_said(package: str) -> None:
    said = run(f"""
import sys
sys.modules["{package}"] = None
from mcp_rag.answering.redaction import masked, require
from mcp_rag.errors import InvalidSettings
for call in (require, lambda: masked("text")):
    try:
        call()
    except InvalidSettings as error:
        print(error)
""")
    for line in said.splitlines():
        assert "MCP_RAG_REDACT" in line
        assert "pip install 'mcp-rag-memory[redaction]'" in line
    assert len(said.splitlines()) == 2


def test_the_packages_are_not_imported_before_they_are_needed() -> None:
    said = run("""
import sys
from mcp_rag.answering import redaction
print([name in sys.modules for name in ("detect_secrets", "stdnum", "requests")])
""")
    assert said.strip() == "[False, False, False]"


def test_where_the_packages_are_installed_nothing_is_required() -> None:
    require()
