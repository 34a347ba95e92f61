"""What people mean when they say when."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_rag.dates import Period, Relation, periods, relations, resolved

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2024, 6, 12, 15, 30, tzinfo=ZONE)
"""A Wednesday."""
SENT = datetime(2026, 9, 16, 8, 0, tzinfo=ZONE)
"""A Wednesday."""


def asked(text: str, now: datetime = NOW) -> list[tuple[str | None, str | None, str]]:
    """First day, end and grain of each period, where None is an open side."""
    return [(_day(p.start), _day(p.end), p.grain) for p in periods(text, now)]


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.date().isoformat()


def only(text: str, now: datetime = NOW) -> Period:
    (period,) = periods(text, now)
    return period


# fmt: off
ASKED = [
    # From the day it is asked.
    ("What did I write yesterday?", "2024-06-11", "2024-06-12", "day"),
    ("the day before yesterday", "2024-06-10", "2024-06-11", "day"),
    ("what came in today", "2024-06-12", "2024-06-13", "day"),
    ("Who called last night?", "2024-06-11", "2024-06-12", "day"),
    ("what is planned for the day after tomorrow", "2024-06-14", "2024-06-15", "day"),
    ("four days ago", "2024-06-08", "2024-06-09", "day"),
    ("two weeks ago", "2024-05-26", "2024-06-02", "week"),
    ("a couple of months ago", "2024-03-28", "2024-04-28", "month"),
    ("3 years ago", "2021-01-01", "2022-01-01", "year"),
    ("a few days ago", "2024-06-07", "2024-06-11", "span"),
    ("the past two weeks", "2024-05-29", "2024-06-13", "span"),
    ("in the last month", "2024-05-12", "2024-06-13", "span"),
    # Weeks, weekends and weekdays.
    ("which bread did we bake last Tuesday", "2024-06-11", "2024-06-12", "day"),
    ("last Wednesday", "2024-06-05", "2024-06-06", "day"),
    ("on Tuesday", "2024-06-11", "2024-06-12", "day"),
    ("what did the baker say on Sat", "2024-06-08", "2024-06-09", "day"),
    ("next Wednesday", "2024-06-19", "2024-06-20", "day"),
    ("this Friday", "2024-06-14", "2024-06-15", "day"),
    ("this past Friday", "2024-06-07", "2024-06-08", "day"),
    ("Tuesday of last week", "2024-06-04", "2024-06-05", "day"),
    ("the Friday before last", "2024-05-31", "2024-06-01", "day"),
    ("this week", "2024-06-10", "2024-06-17", "week"),
    ("last week", "2024-06-03", "2024-06-10", "week"),
    ("the week before last", "2024-05-27", "2024-06-03", "week"),
    ("over the weekend", "2024-06-08", "2024-06-10", "weekend"),
    ("next weekend", "2024-06-22", "2024-06-24", "weekend"),
    # Months, seasons and years.
    ("in May", "2024-05-01", "2024-06-01", "month"),
    ("in may", "2024-05-01", "2024-06-01", "month"),
    ("the July invoices", "2023-07-01", "2023-08-01", "month"),
    ("in May 2023", "2023-05-01", "2023-06-01", "month"),
    ("in Sept. 2023", "2023-09-01", "2023-10-01", "month"),
    ("in March last year", "2023-03-01", "2023-04-01", "month"),
    ("last June", "2023-06-01", "2023-07-01", "month"),
    ("next June", "2025-06-01", "2025-07-01", "month"),
    ("this August", "2024-08-01", "2024-09-01", "month"),
    ("last month", "2024-05-01", "2024-06-01", "month"),
    ("last summer", "2023-06-01", "2023-09-01", "season"),
    ("this summer", "2024-06-01", "2024-09-01", "season"),
    ("in the summer of 2019", "2019-06-01", "2019-09-01", "season"),
    ("last winter", "2023-12-01", "2024-03-01", "season"),
    ("in 2022", "2022-01-01", "2023-01-01", "year"),
    ("last year", "2023-01-01", "2024-01-01", "year"),
    ("in the 1970s", "1970-01-01", "1980-01-01", "span"),
    ("since the 1970's", "1970-01-01", None, "open"),
    # Days by their date.
    ("on 7 May", "2024-05-07", "2024-05-08", "day"),
    ("on 7 july", "2023-07-07", "2023-07-08", "day"),
    ("on the 7th of May 2021", "2021-05-07", "2021-05-08", "day"),
    ("May 7th, 2021", "2021-05-07", "2021-05-08", "day"),
    ("on Tuesday, 7 May", "2024-05-07", "2024-05-08", "day"),
    ("the second of May", "2024-05-02", "2024-05-03", "day"),
    ("2021-05-07", "2021-05-07", "2021-05-08", "day"),
    ("2021-05", "2021-05-01", "2021-06-01", "month"),
    ("on 25/12/2021", "2021-12-25", "2021-12-26", "day"),
    ("on 12/25/2021", "2021-12-25", "2021-12-26", "day"),
    ("the oven on Christmas Eve", "2023-12-24", "2023-12-25", "day"),
    ("on New Year’s Day 2022", "2022-01-01", "2022-01-02", "day"),
    ("last Halloween", "2023-10-31", "2023-11-01", "day"),
    ("next valentines day", "2025-02-14", "2025-02-15", "day"),
    # A part of it, or what is some way from it.
    ("the first week of June", "2024-06-01", "2024-06-08", "week"),
    ("the last week of February 2024", "2024-02-23", "2024-03-01", "week"),
    ("the second weekend of March", "2024-03-09", "2024-03-11", "weekend"),
    ("the first Monday in April", "2024-04-01", "2024-04-02", "day"),
    ("the last Friday in May", "2024-05-31", "2024-06-01", "day"),
    ("the week of 8 May", "2024-05-06", "2024-05-13", "week"),
    ("in early May", "2024-05-01", "2024-05-11", "span"),
    ("mid-May", "2024-05-11", "2024-05-21", "span"),
    ("at the end of last year", "2023-09-01", "2024-01-01", "span"),
    ("three days after 5 May", "2024-05-08", "2024-05-09", "day"),
    ("the day before 1 March 2024", "2024-02-29", "2024-03-01", "day"),
    ("the week before Christmas", "2023-12-15", "2023-12-22", "week"),
    ("the weekend after New Year", "2024-01-06", "2024-01-08", "weekend"),
    ("around Christmas", "2023-12-22", "2023-12-29", "span"),
    # Ranges.
    ("between May and July", "2023-05-01", "2023-08-01", "span"),
    ("between March and May", "2024-03-01", "2024-06-01", "span"),
    ("between November and February", "2023-11-01", "2024-03-01", "span"),
    ("from May to July 2022", "2022-05-01", "2022-08-01", "span"),
    ("from November to February 2022", "2021-11-01", "2022-03-01", "span"),
    ("from November 2021 to February", "2021-11-01", "2022-03-01", "span"),
    ("in June/July 1822", "1822-06-01", "1822-08-01", "span"),
    ("2019-2021", "2019-01-01", "2022-01-01", "span"),
    ("7 to 9 May", "2024-05-07", "2024-05-10", "span"),
    ("May 3-7, 2023", "2023-05-03", "2023-05-08", "span"),
    # Open to one side.
    ("before March", None, "2024-03-01", "open"),
    ("before the end of May", None, "2024-06-01", "open"),
    ("by the end of 2024", None, "2025-01-01", "open"),
    ("until last Friday", None, "2024-06-08", "open"),
    ("since last month", "2024-05-01", None, "open"),
    ("since March 2020", "2020-03-01", None, "open"),
    ("after 5 May", "2024-05-06", None, "open"),
    ("after the first week of June", "2024-06-08", None, "open"),
    ("from March onwards", "2024-03-01", None, "open"),
]
# fmt: on


@pytest.mark.parametrize(("text", "start", "end", "grain"), ASKED)
def test_a_question_asks_for_a_period(text: str, start: str | None, end: str | None, grain: str) -> None:
    assert asked(text) == [(start, end, grain)]


def test_a_question_can_ask_for_several_periods_and_each_tells_where_it_is_said() -> None:
    text = "Did I order more flour last week or in the first week of May 2023?"
    assert [text[slice(*p.span)] for p in periods(text, NOW)] == ["last week", "the first week of May 2023"]
    text = "What came before the end of May?"
    assert text[slice(*only(text).span)] == "before the end of May"


@pytest.mark.parametrize(
    "text",
    [
        "May I ask who you are?",
        "it may rain",
        "You may 2 times try it",
        "what did June say to April",
        "the march was long and they march on",
        "an august audience",
        "one second please",
        "I second that",
        "who sat in the sun",
        "the sun was out on sun and mon ami sat",
        "how do I wed two tables",
        "mar the surface",
        "the fall of Rome",
        "does a spring break",
        "what did I say recently, lately, the other day",
        "every Friday",
        "every January",
        "merry Christmas",
        "on Fridays",
        "any winter coat",
        "the last time, at last, next to me",
        "the room has 2000 words on 12/13",
        "5/7/2023",
        "31 June",
        "29 February 2023",
        "2024-13-01",
        "2,500 years ago",
        "twenty one years ago",
        "half a year ago",
        "9999 years ago",
        "laſt week, frıday",
        "letzten Dienstag, la semana pasada, 昨日",
        "",
    ],
)
def test_words_that_only_look_like_dates_ask_for_nothing(text: str) -> None:
    assert asked(text) == []
    assert resolved(text, NOW) == []


def test_days_are_those_of_the_zone_of_the_one_who_asks() -> None:
    just_after_midnight = datetime(2024, 6, 12, 0, 30, tzinfo=ZONE)
    yesterday = only("yesterday", just_after_midnight)
    assert yesterday.start == datetime(2024, 6, 11, tzinfo=ZONE)
    assert yesterday.covers(datetime(2024, 6, 11, 21, 59, tzinfo=UTC))
    assert not yesterday.covers(datetime(2024, 6, 11, 22, 0, tzinfo=UTC))
    assert resolved("yesterday", just_after_midnight) == ["yesterday: 11 June 2024"]
    assert resolved("yesterday", just_after_midnight.astimezone(UTC)) == ["yesterday: 10 June 2024"]


def test_a_month_without_a_year_is_that_of_any_year_and_with_a_year_only_of_that() -> None:
    any_may, one_may = only("in May"), only("in May 2023")
    for year in (1999, 2023, 2024, 2031):
        assert any_may.covers(datetime(year, 5, 31, 12, tzinfo=ZONE))
        assert not any_may.covers(datetime(year, 6, 1, tzinfo=ZONE))
    assert one_may.covers(datetime(2023, 5, 1, tzinfo=ZONE))
    assert not one_may.covers(datetime(2024, 5, 1, tzinfo=ZONE))
    assert any_may.recurring
    assert not one_may.recurring


def test_a_winter_or_a_range_over_new_year_recurs_as_a_whole() -> None:
    winter = only("between November and February")
    assert all(winter.covers(datetime(2017, month, 15, tzinfo=ZONE)) for month in (1, 2, 11, 12))
    assert not winter.covers(datetime(2017, 6, 15, tzinfo=ZONE))


def test_a_leap_day_is_the_28th_where_there_is_none() -> None:
    leap_day = only("on 29 February", datetime(2023, 6, 1, tzinfo=UTC))
    assert leap_day.start == datetime(2020, 2, 29, tzinfo=UTC)
    assert leap_day.covers(datetime(2020, 2, 29, 12, tzinfo=UTC))
    assert leap_day.covers(datetime(2021, 2, 28, 12, tzinfo=UTC))
    assert not leap_day.covers(datetime(2021, 3, 1, tzinfo=UTC))
    assert only("on 28 February").covers(datetime(2021, 2, 28, 12, tzinfo=ZONE))
    assert only("in February").covers(datetime(2020, 2, 29, 12, tzinfo=UTC))
    before_1904 = only("on 29 February", datetime(1904, 1, 1, tzinfo=UTC))
    assert before_1904.start == datetime(1896, 2, 29, tzinfo=UTC)


def test_distance_grows_with_the_days_between() -> None:
    may = only("in May 2023")
    assert may.distance(datetime(2023, 5, 20, tzinfo=ZONE)) == timedelta()
    assert may.distance(datetime(2023, 4, 28, tzinfo=ZONE)) == timedelta(days=3)
    assert may.distance(datetime(2023, 6, 4, tzinfo=ZONE)) == timedelta(days=3)
    assert only("in May").distance(datetime(2010, 6, 4, tzinfo=ZONE)) == timedelta(days=3)
    assert only("since May").distance(datetime(2024, 4, 28, tzinfo=ZONE)) == timedelta(days=3)
    assert only("before May").distance(datetime(1990, 1, 1, tzinfo=ZONE)) == timedelta()


@pytest.mark.parametrize(
    ("text", "now", "start", "end"),
    [
        ("last week", date(2024, 1, 1), "2023-12-25", "2024-01-01"),
        ("this week", date(2024, 12, 31), "2024-12-30", "2025-01-06"),
        ("last month", date(2024, 1, 31), "2023-12-01", "2024-01-01"),
        ("next month", date(2024, 1, 31), "2024-02-01", "2024-03-01"),
        ("yesterday", date(2024, 3, 1), "2024-02-29", "2024-03-01"),
        ("last year", date(2024, 2, 29), "2023-01-01", "2024-01-01"),
        ("on 31 December", date(2024, 1, 1), "2023-12-31", "2024-01-01"),
        ("in December", date(2024, 12, 1), "2024-12-01", "2025-01-01"),
        ("last weekend", date(2024, 6, 9), "2024-06-01", "2024-06-03"),
        ("the weekend", date(2024, 6, 9), "2024-06-08", "2024-06-10"),
        ("last winter", date(2024, 1, 15), "2022-12-01", "2023-03-01"),
        ("this winter", date(2024, 1, 15), "2023-12-01", "2024-03-01"),
        ("this winter", date(2024, 11, 20), "2024-12-01", "2025-03-01"),
    ],
)
def test_years_months_and_weeks_end_where_they_end(text: str, now: date, start: str, end: str) -> None:
    moment = datetime(now.year, now.month, now.day, 12, tzinfo=UTC)
    assert [period[:2] for period in asked(text, moment)] == [(start, end)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What did we owe before the move?", [Relation("before", "the move")]),
        ("after my wedding in Rome, what changed", [Relation("after", "my wedding in Rome")]),
        ("who has written since Ana's birthday", [Relation("after", "Ana's birthday")]),
        ("prior to our café’s opening", [Relation("before", "our café’s opening")]),
        ("after moving to Lisbon did I sell the car", [Relation("after", "moving to Lisbon")]),
        (
            "before the trip and after the fair",
            [Relation("before", "the trip"), Relation("after", "the fair")],
        ),
        ("two weeks before the summer party", [Relation("before", "the summer party")]),
        # Dates, of which the calendar knows.
        ("before the summer", []),
        ("after the 5th of May 2023", []),
        ("since the first week of June", []),
        ("after the weekend", []),
        ("before March", []),
        ("a week after a few days", []),
        # Clauses, and phrases that name nothing.
        ("before I left", []),
        ("after the meeting was cancelled", []),
        ("after all, before that, since then, after a while", []),
        ("before the end of the day", []),
        ("since everything broke", []),
        ("who looked after the kids", []),
        ("", []),
    ],
)
def test_an_event_that_no_calendar_knows_is_named(text: str, expected: list[Relation]) -> None:
    assert relations(text) == expected


# fmt: off
SENT_TEXTS = [
    ("The dough failed yesterday.", "yesterday: 15 September 2026"),
    ("LAST NIGHT the oven broke", "last night: 15 September 2026"),
    ("We open tomorrow!", "tomorrow: 17 September 2026"),
    ("the day before yesterday", "the day before yesterday: 14 September 2026"),
    ("she came two days ago", "two days ago: 14 September 2026"),
    ("I met her last week", "last week: 7 to 13 September 2026"),
    ("three weeks ago we signed", "three weeks ago: about 26 August 2026"),
    ("a fortnight ago", "a fortnight ago: about 2 September 2026"),
    ("a month ago", "a month ago: about 16 August 2026"),
    ("ten years ago", "ten years ago: 2016"),
    ("they deliver in two weeks' time", "two weeks' time: about 30 September 2026"),
    ("a year from now", "a year from now: 2027"),
    ("next Friday we bake", "next friday: 18 September 2026"),
    ("it came last Tue", "last tue: 15 September 2026"),
    ("Tuesday of next week", "tuesday of next week: 22 September 2026"),
    ("this weekend", "this weekend: 19 to 20 September 2026"),
    ("this past weekend", "this past weekend: 12 to 13 September 2026"),
    ("the week before last", "week before last: 31 August to 6 September 2026"),
    ("next month", "next month: October 2026"),
    ("last year", "last year: 2025"),
    ("last May", "last may: May 2026"),
    ("next summer", "next summer: June to August 2027"),
    ("last winter", "last winter: December 2025 to February 2026"),
    ("next\n Christmas", "next christmas: 25 December 2026"),
]
# fmt: on


@pytest.mark.parametrize(("text", "expected"), SENT_TEXTS)
def test_a_message_means_days_that_are_written_out(text: str, expected: str) -> None:
    assert resolved(text, SENT) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "on 7 May 2023, in June, at Christmas, in 2022",
        "we met on Friday",
        "today, this morning, this month, this year",
        "a few days ago",
        "the next week was hard, and his last year at school too",
        "the last week of June, last weekend before 5 June",
        "for the past two weeks, over the last month",
        "this may be wrong, the last march, a last sun",
    ],
)
def test_a_message_says_no_more_than_it_means(text: str) -> None:
    assert resolved(text, SENT) == []


def test_days_over_a_new_year_are_written_with_both_years() -> None:
    assert resolved("last week", datetime(2026, 1, 7, tzinfo=UTC)) == [
        "last week: 29 December 2025 to 4 January 2026"
    ]


def test_a_month_ago_is_never_a_day_that_the_month_does_not_have() -> None:
    assert resolved("a month ago", datetime(2024, 3, 31, tzinfo=UTC)) == [
        "a month ago: about 29 February 2024"
    ]
    assert resolved("a month ago", datetime(2023, 3, 31, tzinfo=UTC)) == [
        "a month ago: about 28 February 2023"
    ]
    assert only("a month ago", datetime(2023, 3, 31, tzinfo=UTC)).covers(datetime(2023, 2, 28, tzinfo=UTC))


def test_a_message_gets_at_most_four_lines_and_none_twice() -> None:
    text = "Yesterday or tomorrow; yesterday, I think. Last week, next week, last month."
    assert [line.partition(":")[0] for line in resolved(text, SENT)] == [
        "yesterday",
        "tomorrow",
        "last week",
        "next week",
    ]


def test_an_expression_is_read_whole_whatever_follows_it_at_whatever_distance() -> None:
    for length in range(60):
        text = f"the day before yesterday {'x' * length} next to it"
        assert resolved(text, SENT) == ["the day before yesterday: 14 September 2026"]


def test_letters_that_grow_when_small_move_nothing() -> None:
    assert resolved("İ" * 200 + " yesterday", SENT) == ["yesterday: 15 September 2026"]


# fmt: off
FRAGMENTS = st.sampled_from([
    "last", "next", "this", "the", "past", "coming", "before", "after", "since", "until", "by", "between",
    "from", "and", "to", "in", "of", "on", "week", "weekend", "weeks", "month", "years", "day", "decades",
    "ago", "a", "few", "couple", "999", "29", "31", "0", "1", "12", "2024", "2023", "1500", "2099",
    "9999-12-31", "0001-01", "29/02/2023", "May", "may", "February", "Sun", "friday", "Christmas",
    "New Year's", "winter", "fall", "yesterday", "tomorrow", "from now", "first", "fifth", "the end of",
    "early", "around", "over", "onwards", "-", ",", "İ", "ſ", "\n", "my", "moving", "wedding",
])
# fmt: on
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, ZONE, timezone(-timedelta(hours=12))]))
TEXTS = st.one_of(st.text(max_size=80), st.lists(FRAGMENTS, max_size=12).map(" ".join))


@given(TEXTS, MOMENTS, MOMENTS)
def test_whatever_is_asked_whenever_periods_end_after_they_start(
    text: str, now: datetime, moment: datetime
) -> None:
    for period in periods(text, now):
        assert period.start or period.end
        assert not (period.start and period.end) or period.start < period.end
        assert 0 <= period.span[0] < period.span[1] <= len(text)
        assert period.start is None or period.covers(period.start)
        assert period.end is None or period.recurring or not period.covers(period.end)
        assert period.covers(moment) <= (period.distance(moment) == timedelta())


@given(TEXTS)
def test_whatever_is_asked_events_are_words_of_the_question(text: str) -> None:
    assert all(relation.text and relation.text in text for relation in relations(text))


@given(TEXTS, MOMENTS)
def test_whatever_is_sent_whenever_it_gets_a_few_lines_of_what_it_says_or_none(
    text: str, sent: datetime
) -> None:
    lines = resolved(text, sent)
    assert len(lines) <= 4
    said = " ".join(text.lower().split())
    assert all(line.partition(": ")[0] in said and line.partition(": ")[2] for line in lines)


@given(
    st.sampled_from(
        ["the day before yesterday", "a couple of weeks ago", "Tuesday of last week", "next weekend"]
    ),
    st.text("abİ ,.\n'", max_size=200),
)
def test_what_a_message_means_does_not_depend_on_what_stands_around_it(phrase: str, filler: str) -> None:
    assert resolved(f"{filler}. {phrase}, {filler}", SENT) == resolved(phrase, SENT) != []
