"""Google Translate through deep-translator, against a loopback page that also refuses, hangs and garbles."""

import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from mpodata.errors import ConfigError
from mpodata.records import Dropped, Side
from mpodata.runtime.journal import Journal
from mpodata.runtime.remote import Breaker, RetryPolicy, TokenBucket, Unanswered, retry_after
from mpodata.translators.google import ENDPOINT, Google, google
from mpodata.translators.remote import ServiceLimits
from tests.fakes.translate import TranslatePage

FAST = {"rate": 1000.0, "deadline": 5.0, "attempts": 3, "first_pause": 0.01}
CYRILLIC = str.maketrans("abcdefghijklmnopqrstuvwxyz", "абцдефгхийклмнопярстувщхыз")


def russian(text: str) -> str:
    return text.lower().translate(CYRILLIC)


def plain(text: str, nth: int) -> str:
    return russian(text)


def carry(behave, texts, **options):
    with TranslatePage(behave) as page:
        results = google(endpoint=page.endpoint, **{**FAST, **options}).texts(texts, "en", "ru")
    return results, page


def test_sides_are_translated_line_by_line_with_structure_kept():
    side = Side("en", "How are you?", "No. I will not.\n\n- One point\n- Two points", "Yes, of course.")
    with TranslatePage(plain) as page:
        [translated] = google(endpoint=page.endpoint, **FAST).translate([side], "ru")
    assert translated == Side(
        "ru", russian(side.prompt), russian("No. I will not.\n\n- One point\n- Two points"), russian(side.rejected)
    )
    assert sorted(query["q"] for query in page.asked) == sorted(
        ["How are you?", "No. I will not.", "One point", "Two points", "Yes, of course."]
    )


def test_english_is_asked_for_as_english_and_targets_by_googles_codes():
    with TranslatePage(lambda text, nth: "你好，朋友，你好吗？") as page:
        google(endpoint=page.endpoint, **FAST).texts(["Hello, my friend, how are you?"], "en", "zh")
    assert {(query["sl"], query["tl"]) for query in page.asked} == {("en", "zh-CN")}


@pytest.mark.parametrize("trouble", [429, 500, 503, (429, {"Retry-After": "0.05"})])
def test_a_refused_request_is_made_again(trouble):
    [result], page = carry(lambda text, nth: trouble if nth <= 2 else russian(text), ["Hello there."])
    assert result == "хелло тхере."
    assert len(page.asked) == 3


def test_retry_after_is_honoured():
    behave = lambda text, nth: (429, {"Retry-After": "0.4"}) if nth == 1 else russian(text)  # noqa: E731
    [result], page = carry(behave, ["Hello there."])
    assert result == "хелло тхере."
    assert page.times[1] - page.times[0] >= 0.4  # seconds


def test_a_hanging_request_ends_at_its_deadline():
    start = time.monotonic()
    [result], _ = carry(lambda text, nth: 30.0 if nth == 1 else russian(text), ["Hello there."], deadline=0.3)
    assert result == "хелло тхере."
    assert time.monotonic() - start < 5  # seconds, and not 30


def test_a_page_that_drips_in_ends_at_the_deadline_too():
    start = time.monotonic()
    [result], _ = carry(lambda text, nth: -0.02 if nth == 1 else russian(text), ["Hello there."], deadline=0.3)
    assert result == "хелло тхере."
    assert time.monotonic() - start < 5  # seconds, and not 20


def test_entities_are_resolved_even_where_they_come_escaped_twice():
    [result], _ = carry(lambda text, nth: "он сказал &quot;да&quot; &amp; ушёл", ["He said yes and left."])
    assert result == 'он сказал "да" & ушёл'


def test_entities_are_resolved_beside_an_ampersand_of_the_text():
    [result], _ = carry(lambda text, nth: "право &amp; закон", ["Law & order"])
    assert result == "право & закон"


def test_a_page_without_a_translation_is_no_translation():
    [result], _ = carry(lambda text, nth: 200, ["Hello there."])
    assert result == Dropped("service", "a page without a translation")


def test_text_without_words_is_never_asked_for():
    results, page = carry(plain, ["... 12!", "🙂🙂"])
    assert results == ["... 12!", "🙂🙂"]
    assert page.asked == []


def test_where_deep_translator_returns_none_the_text_stays():
    # It does so where the page repeats a text in which it finds no letters, such as vowel signs alone.
    with TranslatePage(lambda text, nth: text) as page:
        translator = Google(ServiceLimits(**FAST), endpoint=page.endpoint)
        assert translator._client(source="bn", target="en").translate("\u09be\u09bf!") is None
        assert translator.segments(["\u09be\u09bf!"], "bn", "en") == ["\u09be\u09bf!"]


def test_a_service_that_is_down_is_left_alone_and_said(caplog):
    texts = [f"This is sentence number {chr(97 + at // 26)}{chr(97 + at % 26)}." for at in range(200)]
    results, page = carry(lambda text, nth: 500, texts)
    assert {result.reason for result in results} == {"service"}
    assert len(page.asked) < 30
    assert "does not answer (HTTP 500)" in caplog.text


def test_what_the_service_did_not_answer_is_asked_again_by_the_next_run_and_the_rest_is_not(tmp_path):
    texts = ["Hello there.", "Good evening."]
    with Journal(tmp_path / "journal.sqlite") as journal:
        first, _ = carry(lambda text, nth: 500 if "Good" in text else russian(text), texts, journal=journal, threads=1)
        second, page = carry(plain, texts, journal=journal)
    assert first == ["хелло тхере.", Dropped("service", "HTTP 500")]
    assert second == ["хелло тхере.", "гоод евенинг."]
    assert [query["q"] for query in page.asked] == ["Good evening."]


def test_a_request_the_service_will_never_take_is_not_repeated():
    [result], page = carry(lambda text, nth: 400, ["Hello there"])
    assert isinstance(result, Dropped)
    assert result.reason == "untranslatable"
    assert len(page.asked) == 1


def test_no_url_is_longer_than_the_service_takes():
    text = "これはとても長い文です、" * 400
    with TranslatePage(lambda text, nth: "It is a long sentence, " * (len(text) // 12)) as page:
        google(endpoint=page.endpoint, **FAST).texts([text], "ja", "en")
    assert page.asked
    assert max(len(urlencode(query)) for query in page.asked) < 16_000


def test_requests_keep_to_the_rate():
    texts = [f"Sentence {chr(97 + at)} is here." for at in range(12)]
    _, page = carry(plain, texts, rate=20.0, threads=2)
    assert page.times[-1] - page.times[0] >= 9 / 20  # seconds: the first two may go at once


def test_nothing_of_the_process_is_changed():
    import deep_translator.google
    import requests

    carry(plain, ["Hello there."])
    assert deep_translator.google.requests is requests


def test_options_that_cannot_be_right_are_said():
    with pytest.raises(ConfigError, match=r"translator.options.rate must be above 0, got 0"):
        google(rate=0)
    with pytest.raises(ConfigError, match=r"translator.options.threads must be at least 1, got 0"):
        google(threads=0)
    with pytest.raises(ConfigError, match=r"translator.options.first_pause must be >= 0, got -1"):
        google(first_pause=-1)


def test_the_real_endpoint_is_the_default():
    assert Google().endpoint == ENDPOINT


def test_a_bucket_gives_turns_at_its_rate():
    slept: list[float] = []
    bucket = TokenBucket(rate=2.0, burst=1.0, clock=lambda: 0.0, sleep=slept.append)
    for _ in range(4):
        bucket.take()
    assert slept == [0.5, 1.0, 1.5]


def test_a_breaker_opens_rests_and_lets_one_try():
    now = [0.0]
    breaker = Breaker(failures=2, rest=10.0, clock=lambda: now[0])
    assert [breaker.failed(), breaker.allows(), breaker.failed(), breaker.allows()] == [False, True, True, False]
    now[0] = 11.0
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.succeeded()
    assert breaker.allows()


def test_waits_grow_with_jitter_and_never_undercut_what_was_asked():
    retry = RetryPolicy(attempts=7, first_wait=1.0, longest_wait=8.0, longest_asked=60.0)
    for attempt in range(6):
        assert 0.5 * min(8, 2**attempt) <= (retry.wait(attempt) or 0.0) <= min(8, 2**attempt)
    assert retry.wait(0, asked=30.0) == 30.0
    assert retry.wait(6) is None
    assert retry.wait(0, asked=61.0) is None


def test_a_call_is_repeated_until_it_is_answered_or_given_up(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    answers: Iterator[Unanswered | str] = iter([Unanswered("busy"), Unanswered("busy", 9.0), "done"])

    def action() -> str:
        answer = next(answers)
        if isinstance(answer, Unanswered):
            raise answer
        return answer

    assert RetryPolicy(first_wait=1.0).repeat(action) == "done"
    assert 0.5 <= waits[0] <= 1.0
    assert waits[1:] == [9.0]
    answers = iter([Unanswered("busy")] * 3)
    with pytest.raises(Unanswered):
        RetryPolicy(attempts=3).repeat(action)
    assert next(answers, "all asked") == "all asked"


def test_retry_after_is_read_as_seconds_or_date():
    assert retry_after("7") == 7.0
    assert retry_after("Thu, 01 Jan 1970 00:02:00 GMT", now=lambda: 100.0) == 20.0
    assert retry_after("soon") is None
    assert retry_after(None) is None
