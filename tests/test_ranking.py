"""How legs become one ranking, where no door can see it: scores that are missing, equal or all alike."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_rag import ranking
from mcp_rag.models import Candidate, Confidence
from mcp_rag.questions import Question
from mcp_rag.ranking import IN_FRONT, WEIGHTS, Ranked, rerank, with_the_best_of

PLAIN = Candidate(
    passage_key=1, message_key=1, conversation_key=1, conversation_id="c", title=None, position=0,
    speaker="Ana", sent_at=datetime(2026, 3, 2, tzinfo=UTC), text="", lexical=0.0, segment=None,
    similarity=None, reply=None, coverage=0.0,
)  # fmt: skip


PLAIN_QUESTION = Question(
    text="?", about="?", terms={}, spoken=("en",), speakers={}, called=(), periods=(), asks_when=False
)


def rank(found: list[Candidate], **traits: object) -> list[Ranked]:
    return ranking.rank(found, replace(PLAIN_QUESTION, **traits))  # type: ignore[arg-type]


def confidence(ranked: list[Ranked], **traits: object) -> Confidence:
    question = replace(PLAIN_QUESTION, **traits)  # type: ignore[arg-type]
    return ranking.confidence(ranking.certainty(ranked, question), ranked)


def candidate(key: int, **scores: float | int | str | None) -> Candidate:
    return replace(PLAIN, passage_key=key, **{"message_key": key, **scores})  # type: ignore[arg-type]


def keys(ranked: list[Ranked]) -> list[int]:
    return [item.candidate.passage_key for item in ranked]


candidates = st.lists(
    st.builds(
        lambda message, *scores: (message, *scores),
        st.integers(1, 6),
        st.floats(0, 30),
        st.none() | st.floats(0, 30),
        st.none() | st.tuples(st.floats(-1, 1), st.none() | st.floats(-1, 1)),
        st.floats(0, 1),
    ),
    max_size=12,
).map(
    lambda rows: [
        candidate(
            key,
            message_key=message,
            lexical=lexical,
            segment=segment,
            similarity=vectors and vectors[0],
            reply=vectors and vectors[1],
            coverage=coverage,
        )
        for key, (message, lexical, segment, vectors, coverage) in enumerate(rows, 1)
    ]
)


@given(candidates)
def test_a_score_is_from_zero_to_one_and_the_sum_of_its_parts_over_the_best_possible(
    found: list[Candidate],
) -> None:
    ranked = rank(found, speakers={"ana": 1.0})
    best = sum(WEIGHTS) - WEIGHTS.time - WEIGHTS.dated - WEIGHTS.asking
    if all(each.similarity is None for each in found):
        best -= WEIGHTS.meaning + WEIGHTS.reply
    for item in ranked:
        assert 0 <= item.score <= 1 + 1e-9
        assert item.score == pytest.approx(sum(item.parts) / best)


@given(candidates)
def test_a_message_is_ranked_once_by_its_best_passage(found: list[Candidate]) -> None:
    ranked = rank(found)
    assert sorted({each.message_key for each in found}) == sorted(i.candidate.message_key for i in ranked)
    every = {
        i.candidate.passage_key: i.score for i in rank([replace(c, message_key=c.passage_key) for c in found])
    }
    for item in ranked:
        rivals = [c.passage_key for c in found if c.message_key == item.candidate.message_key]
        assert item.score == max(every[key] for key in rivals)


@given(candidates, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_in_which_candidates_come(found: list, chance) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    assert keys(rank(shuffled)) == keys(rank(found))
    assert [item.score for item in rank(found)] == sorted((i.score for i in rank(found)), reverse=True)


def test_equal_scores_keep_the_order_of_their_passages() -> None:
    assert keys(rank([candidate(key, lexical=2.0) for key in (3, 1, 2)])) == [1, 2, 3]


def test_each_leg_counts_by_its_place_between_the_least_and_the_most() -> None:
    for leg in ("similarity", "reply", "lexical", "segment"):
        others = {"coverage": 1.0, "lexical": 1.0, "segment": 1.0, "similarity": 0.5, "reply": 0.5}
        found = [candidate(key, **{**others, leg: score}) for key, score in ((1, 0.2), (2, 0.8), (3, 0.5))]
        part = {"similarity": "meaning", "lexical": "words"}.get(leg, leg)
        parts = {
            i.candidate.passage_key: getattr(i.parts, part) / getattr(WEIGHTS, part) for i in rank(found)
        }
        assert parts == pytest.approx({1: 0.0, 2: 1.0, 3: 0.5}), leg


def test_where_all_score_alike_a_leg_counts_in_full_or_not_at_all() -> None:
    (one, other) = rank([candidate(1, lexical=3.0, coverage=1.0), candidate(2, lexical=3.0, coverage=1.0)])
    assert one.parts.words == other.parts.words == WEIGHTS.words
    (none,) = rank([candidate(1)])
    assert none.score == 0


def test_a_passage_that_waits_for_its_vector_is_ranked_by_its_words() -> None:
    ranked = rank(
        [
            candidate(1, lexical=0.0, similarity=0.4, reply=0.4),
            candidate(2, lexical=9.0, coverage=1.0),
            candidate(3, lexical=1.0, similarity=0.6, reply=0.5, coverage=0.2),
        ]
    )
    parts = {item.candidate.passage_key: item.parts for item in ranked}
    assert parts[2].meaning == parts[2].reply == 0
    assert parts[2].words == WEIGHTS.words
    assert keys(ranked).index(2) < keys(ranked).index(1)


def test_a_passage_that_follows_nothing_is_taken_to_mean_as_a_reply_what_it_means_alone() -> None:
    ranked = rank(
        [candidate(1, similarity=0.9), candidate(2, similarity=0.1, reply=0.9), candidate(3, reply=0.1)]
    )
    parts = {item.candidate.passage_key: item.parts for item in ranked}
    assert parts[1].reply == WEIGHTS.reply
    assert parts[3].meaning == 0


def test_words_weigh_less_where_no_passage_has_most_of_them() -> None:
    few = rank([candidate(1, lexical=5.0, coverage=0.3), candidate(2)])[0].parts
    most = rank([candidate(1, lexical=5.0, coverage=0.6), candidate(2)])[0].parts
    assert few.words == pytest.approx(most.words / 2)
    assert few.segment == pytest.approx(most.segment / 2)


def test_nothing_found_is_an_empty_ranking_and_no_confidence() -> None:
    assert rank([]) == []
    assert confidence([]) == "none"


@pytest.mark.parametrize(
    ("similarity", "coverage", "expected"),
    [
        (0.9, 1.0, "high"),
        (0.75, 0.2, "high"),
        (0.45, 1.0, "low"),
        (0.65, 0.2, "low"),
        (0.5, 0.3, "none"),
        (None, 1.0, "high"),
        (None, 0.55, "low"),
        (None, 0.2, "none"),
    ],
)
def test_confidence_is_by_the_best_likeness_and_the_best_share_of_the_words(
    similarity: float | None, coverage: float, expected: str
) -> None:
    assert (
        confidence(rank([candidate(1, similarity=similarity, coverage=coverage), candidate(2)])) == expected
    )


def test_only_the_first_few_make_confident() -> None:
    better = [candidate(key, similarity=0.1, lexical=9.0, coverage=0.3) for key in range(1, 6)]
    far = candidate(9, similarity=0.1, coverage=0.0)
    assert confidence(rank([*better, far])) == "none"
    assert keys(rank([*better, far]))[-1] == 9
    assert confidence(rank([candidate(9, similarity=0.9, coverage=1.0), *better])) == "high"


def test_the_second_stage_orders_what_it_read_and_leaves_the_rest_where_it_was() -> None:
    first = rank([candidate(key, lexical=10.0 - key, coverage=1.0) for key in range(1, 6)])
    assert keys(rerank(first, [-9.0, -9.0, 9.0])) == [3, 1, 2, 4, 5]
    assert keys(rerank(first, [None, -9.0, 9.0])) == [1, 3, 2, 4, 5]
    assert keys(rerank(first, [1.0, 1.0, 1.0])) == [1, 2, 3, 4, 5]
    assert [item.logit for item in rerank(first, [-9.0, -9.0, 9.0])] == [9.0, -9.0, -9.0, None, None]


@pytest.mark.parametrize("logits", [[], [None, None], [3.0], [None, 3.0]])
def test_where_fewer_than_two_were_read_the_order_is_that_of_the_first_stage(logits: list) -> None:
    first = rank([candidate(key, lexical=10.0 - key, coverage=1.0) for key in range(1, 4)])
    again = rerank(first, logits)
    assert [replace(item, logit=None) for item in again] == first
    assert [item.logit for item in again][: len(logits)] == logits


def test_scores_fall_from_place_to_place_however_much_was_read() -> None:
    first = rank([candidate(key, lexical=30.0 - key, coverage=1.0) for key in range(1, 26)])
    for logits in ([float(n) for n in range(20)], [None, 3.0, None, 9.0, None, 4.0]):
        again = rerank(first, logits)
        assert [item.score for item in again] == [item.score for item in first]
        assert sorted(keys(again)) == sorted(keys(first))
        assert keys(again)[20:] == keys(first)[20:]


def test_a_message_that_says_when_ranks_higher_only_where_it_is_asked_when() -> None:
    found = [candidate(1, text="We open in spring."), candidate(2, text="We open on 14 March.")]
    found.append(candidate(3, text="We opened yesterday."))
    assert keys(rank(found, asks_when=True)) == [2, 3, 1]
    assert keys(rank(found)) == [1, 2, 3]


@pytest.mark.parametrize(
    "question", ["When do we open?", "¿Cuándo abrimos?", "何時に開きますか？", "متى نفتح؟"]
)
def test_a_question_ranks_below_a_statement_in_any_script(question: str) -> None:
    found = [candidate(1, text=question, coverage=1.0), candidate(2, text="We open soon.", coverage=1.0)]
    assert keys(rank(found)) == [2, 1]


def test_a_message_that_also_asks_loses_the_share_that_asks() -> None:
    (one,) = rank([candidate(1, text="I like it. Do you?")])
    assert WEIGHTS.asking < one.parts.asking < 0


def test_the_best_for_each_part_of_a_question_stands_among_the_first() -> None:
    whole = rank([candidate(key, lexical=30.0 - key, coverage=1.0) for key in range(1, 21)])
    part, other = whole[11:], [*whole[1:], whole[0]]
    both = with_the_best_of(whole, [part, other, []])
    assert keys(both)[:IN_FRONT] == [1, 2, 12]
    assert sorted(keys(both)) == sorted(keys(whole))
    assert [item.score for item in both] == sorted((item.score for item in both), reverse=True)
    (alone,) = with_the_best_of([], [part])
    assert keys([alone]) == keys(part)[:1]


def test_what_only_a_part_of_the_question_found_makes_nobody_sure() -> None:
    weak = rank([candidate(key, similarity=0.3, coverage=0.2) for key in range(1, 8)])
    part = rank([candidate(99, similarity=0.9, coverage=1.0)])
    both = with_the_best_of(weak, [part])
    assert 99 in keys(both)[:IN_FRONT]
    assert confidence(weak) == confidence(both) == "none"


def test_what_was_asked_for_by_its_key_changes_no_other_score() -> None:
    found = [candidate(key, lexical=float(key), similarity=key / 10, coverage=key / 10) for key in (5, 6, 9)]
    missed = candidate(1, lexical=0.1, similarity=0.1, by_words=False, by_meaning=False)
    beyond = candidate(2, lexical=99.0, similarity=0.95, coverage=1.0, by_words=False, by_meaning=False)
    with_them = {item.candidate.passage_key: item.score for item in rank([*found, missed, beyond])}
    assert [with_them[item.candidate.passage_key] for item in rank(found)] == [i.score for i in rank(found)]
    assert with_them[1] == 0
    assert with_them[2] <= 1


def test_a_message_stands_by_the_passage_that_a_leg_found() -> None:
    found = candidate(1, message_key=7, text="The café is nice.")
    other = candidate(2, message_key=7, text="It opened on 14 March.", by_words=False, by_meaning=False)
    assert keys(rank([found, other], asks_when=True)) == [1]


def test_where_another_has_more_of_the_words_than_the_person_that_is_asked_about_it_is_less_sure() -> None:
    named = {"speakers": {"ana": 1.0}, "called": {"ana"}}
    hers = candidate(1, similarity=0.65, coverage=0.6)
    his = candidate(2, speaker="Ben", similarity=0.7, coverage=1.0, text="The flood took my car.")
    assert confidence(rank([hers, his]), **named) == "low"
    assert confidence(rank([his]), **named) == "none"
    assert confidence(rank([hers]), **named) == confidence(rank([hers, his])) == "high"


def test_what_others_say_about_a_person_counts_and_what_they_say_to_her_does_not() -> None:
    named = {"speakers": {"ana": 1.0}, "called": {"ana"}}
    about = candidate(2, speaker="Ben", similarity=0.7, coverage=1.0, text="Ana's car was in the flood.")
    assert confidence(rank([about]), **named) == "high"
    for text in ("I told Ana, who has a car.", "A flood took the car of Ana!", "Ána's car was in the flood."):
        assert confidence(rank([replace(about, text=text)]), **named) == "high"
    for text in ("Hi Ana, the flood took my car.", "The flood took my car, Ana!"):
        assert confidence(rank([replace(about, text=text)]), **named) == "none"
