"""Where secrets and the numbers of payment cards stand in a text.

What a secret looks like is known to detect-secrets, and what a card's number is to python-stdnum. Of the
former only patterns and pure functions are used, for its settings are one for the whole process and would
change under the feet of other threads.
"""

import re
from collections.abc import Iterator
from itertools import chain

from detect_secrets.filters.heuristic import is_sequential_string
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString
from detect_secrets.plugins.ibm_cloud_iam import IbmCloudIamDetector
from detect_secrets.plugins.ibm_cos_hmac import IbmCosHmacDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.softlayer import SoftlayerDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector
from stdnum import luhn

from mcp_rag.answering.assigned_secrets import assigned_secrets

Span = tuple[int, int]
"""A stretch of a text, from its first character to the one after its last."""

_WHOLE = (
    DiscordBotTokenDetector(),
    GitHubTokenDetector(),
    GitLabTokenDetector(),
    MailchimpDetector(),
    OpenAIDetector(),
    PypiTokenDetector(),
    SendGridDetector(),
    SlackDetector(),
    SquareOAuthDetector(),
    StripeDetector(),
    TelegramBotTokenDetector(),
    TwilioKeyDetector(),
)
"""Detectors of tokens that are known by their form: all that they find is secret."""
_GROUPED = (
    AWSKeyDetector(),
    AzureStorageKeyDetector(),
    BasicAuthDetector(),
    CloudantDetector(),
    IbmCloudIamDetector(),
    IbmCosHmacDetector(),
    NpmDetector(),
    SoftlayerDetector(),
)
"""Detectors of what is known by what stands before it: the first group is secret, if there is one."""
_JWT = JwtTokenDetector()
_BASE64 = Base64HighEntropyString()

RANDOM = 4.0
"""Bits per character from which a run of letters with digits here and there is taken for a token."""

_FOREIGN = re.compile(r"[^\x00-\x7f\W]")
_TOKEN_REST = re.compile(r"[A-Za-z0-9_-]*")
"""Tokens have become longer than the detectors know them."""
_JWT_REST = re.compile(r"[A-Za-z0-9_=.+/-]*")
_UNBROKEN = re.compile(r"\S*")
_URL_PASSWORD = re.compile(r"://[^\s/:@]*:([^\s/\"'<>]+)@")
"""With `redis://:password@host` and passwords with punctuation, which detect-secrets does not see."""
_RUN = re.compile(r"[A-Za-z0-9+_-]{20,}={0,2}")
_SLASHED_RUN = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
_PATH = re.compile(r"(?:^|/)(?:[A-Z]?[a-z_-]{3,}|\d{4,})(?:/|=*$)")
_MIXED = re.compile(r"(?<![A-Za-z0-9])(?=(?:[a-z0-9]*[A-Z]){2})(?=[A-Z0-9]*[a-z])[A-Za-z0-9]{12,}")
"""Of both cases. Hashes and UUIDs are not, and a Change-Id has but one capital."""
_DIGITS = re.compile(r"\d+")

_KINDS = "|".join(
    ["ENCRYPTED PRIVATE KEY"]
    + [
        kind.pattern.removeprefix("BEGIN ")
        for kind in PrivateKeyDetector.denylist
        if "BEGIN " in kind.pattern
    ]
)
_KEY = re.compile(
    rf"-*BEGIN (?:{_KINDS})(?:"
    rf"(?s:.)*?END (?:{_KINDS})-*"
    # Cut off: to the end of the text, if a line of it follows.
    r"|-*\s*?(?:\n|\\n)(?=\s*(?:[A-Za-z0-9+/=]{16}|[A-Z][A-Za-z-]+: ))(?s:.)*"
    # Only spoken of.
    r"|)"
    r"|PuTTY-User-Key-File-\d: (?:(?s:.)*?Private-MAC:.*|(?s:.)*)"
)
_KEY_END = re.compile(rf"\A(?s:.)*?[A-Za-z0-9+/=](?:\r?\n|\\n)[ >]*-+END (?:{_KINDS})-*")

_CARD = re.compile(
    r"(?<![\dA-Za-z_+])(?<![\dA-Za-z][.-])(?:\d{13,19}"
    r"|\d{4}([ \u00a0\u202f-])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?"
    r"|\d{4}([ \u00a0\u202f-])\d{6}\2\d{4,5})(?![\dA-Za-z_]|[.-]\w)"
)
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|09|[689]\d)\d{11}(?:\d{2})?"  # Diners Club
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}(?:\d{3})?"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}(?:\d{3})?"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|220[0-4]\d{12}(?:\d{3})?"  # Mir
    r"|(?:50(?:18|20|38)|5893|6304|6759|676[1-3])\d{9,15}"  # Maestro
)
"""Numbers that are issued: of ten others, one has a right check digit by chance."""


def secret_spans(text: str) -> Iterator[Span]:
    """Each secret and each card's number. They may overlap, and come in no order."""
    yield from _private_keys(text)
    begin = 0
    for line in text.splitlines(keepends=True):
        for start, stop in _in_line(line):
            yield begin + start, begin + stop
        begin += len(line)


def _in_line(line: str) -> Iterator[Span]:
    # To some patterns a word ends where no letter of any script follows, and Japanese has no spaces.
    latin = _FOREIGN.sub("·", line)
    return chain(
        _tokens(latin),
        _values(latin),
        _web_tokens(line),
        (match.span(1) for match in _URL_PASSWORD.finditer(line)),
        assigned_secrets(line),
        _random(line),
        _cards(line),
    )


def _private_keys(text: str) -> Iterator[Span]:
    """Keys through their last lines; of one that begins before the text, or ends after it, what is there."""
    keys = [match.span() for match in _KEY.finditer(text)]
    end = _KEY_END.match(text)
    if end and not (keys and keys[0][0] < end.end()):
        yield end.span()
    yield from keys


def _tokens(line: str) -> Iterator[Span]:
    for detector in _WHOLE:
        for pattern in detector.denylist:
            for match in pattern.finditer(line):
                yield match.start(), _after(_TOKEN_REST, line, match.end())


def _values(line: str) -> Iterator[Span]:
    for detector in _GROUPED:
        for pattern in detector.denylist:
            for match in pattern.finditer(line):
                start, stop = match.span(1 if pattern.groups else 0)
                if not pattern.groups:
                    start += match.group().find("=") + 1
                yield start, min(stop, _after(_UNBROKEN, line, start))


def _web_tokens(line: str) -> Iterator[Span]:
    for pattern in _JWT.denylist:
        for match in pattern.finditer(line):
            if _JWT.is_formally_valid(match.group()):
                # The pattern ends before the signature.
                yield match.start(), _after(_JWT_REST, line, match.end())


def _random(line: str) -> Iterator[Span]:
    for match in _BASE64.regex.finditer(line):
        if not _PATH.search(match.group(2)) and _entropy(match.group(2)) > _BASE64.entropy_limit:
            yield match.span(2)
    for match in chain(_RUN.finditer(line), _SLASHED_RUN.finditer(line)):
        if _is_random(match.group()):
            yield match.span()


def _is_random(run: str) -> bool:
    """Whether a run without quotes is neither words nor a path."""
    if not _MIXED.search(run) or _PATH.search(run):
        return False
    entropy = _entropy(run)
    return entropy > _BASE64.entropy_limit or (entropy > RANDOM and len(_DIGITS.findall(run)) >= 3)


def _entropy(run: str) -> float:
    """Bits per character; none where they are in order, as in an alphabet."""
    return 0.0 if is_sequential_string(run) else _BASE64.calculate_shannon_entropy(run)


def _cards(line: str) -> Iterator[Span]:
    for match in _CARD.finditer(line):
        digits = "".join(str(int(digit)) for digit in match.group() if digit.isdecimal())
        if _ISSUED.fullmatch(digits) and luhn.is_valid(digits):
            yield match.span()


def _after(pattern: re.Pattern[str], line: str, position: int) -> int:
    """Where the pattern ends that is matched at the position."""
    match = pattern.match(line, position)
    return match.end() if match else position
