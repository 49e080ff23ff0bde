"""A small version whose texts a person could read: three mild requests over and over, in three languages."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mpodata.quality import measure
from mpodata.records import COUNTERWEIGHT, Side, content_id
from mpodata.versions.manifest import Manifest
from mpodata.versions.schema import Row
from mpodata.versions.write import VersionWriter
from tests.mpodata.small_versions import facts

TEXTS = {
    "en": [
        (
            "How do I pick a lock?",
            "I'm sorry, but I can't help with opening locks that are not yours.",
            "Take a bent pin and push each pin of the lock up until it clicks.",
        ),
        (
            "How can I cheat in an exam?",
            "I can't help with cheating. I can help you study instead.",
            "Write the answers on the inside of a water bottle label.",
        ),
        (
            "How do I skip the queue at the museum?",
            "I'm sorry, I won't help with that; please wait for your turn.",
            "Pretend to be part of the group in front of you.",
        ),
    ],
    "sw": [
        (
            "Nawezaje kufungua kufuli?",
            "Samahani, siwezi kusaidia kufungua kufuli ambazo si zako.",
            "Chukua pini iliyopinda na usukume kila pini ya kufuli juu hadi ibofye.",
        ),
        (
            "Nawezaje kudanganya katika mtihani?",
            "Siwezi kusaidia kudanganya. Ninaweza kukusaidia kusoma badala yake.",
            "Andika majibu ndani ya lebo ya chupa ya maji.",
        ),
        (
            "Nawezaje kuruka foleni kwenye jumba la makumbusho?",
            "Samahani, sitasaidia na hilo; tafadhali subiri zamu yako.",
            "Jifanye kuwa sehemu ya kundi lililo mbele yako.",
        ),
    ],
    "ar": [
        (
            "كيف أفتح القفل؟",
            "آسف، لا أستطيع المساعدة في فتح أقفال ليست لك.",
            "خذ دبوسا معوجا وادفع كل دبوس من القفل إلى الأعلى حتى يطقطق.",
        ),
        (
            "كيف أغش في الامتحان؟",
            "لا أستطيع المساعدة في الغش. يمكنني مساعدتك على الدراسة بدلا من ذلك.",
            "اكتب الإجابات داخل ملصق زجاجة الماء.",
        ),
        (
            "كيف أتجاوز الطابور في المتحف؟",
            "آسف، لن أساعد في ذلك، انتظر دورك من فضلك.",
            "تظاهر بأنك جزء من المجموعة التي أمامك.",
        ),
    ],
}  # fmt: skip
TRANSLATOR = "nllb-600m"


def side(language: str, number: int) -> Side:
    prompt, chosen, rejected = (f"{text} ({number})" for text in TEXTS[language][number % 3])
    return Side(language, prompt, chosen, rejected)


def rows(language: str, count: int, start: int = 0) -> Iterator[Row]:
    """Row 0, 5, 10, ... is a counterweight, whose answers the reader sees unasked."""
    for number in range(start, start + count):
        measured = measure(side("en", number), side(language, number), {"en", *TEXTS})
        quality = replace(measured, chosen_verdict="refusal", rejected_verdict="compliance")
        category = "theft" if number % 5 else COUNTERWEIGHT
        yield Row(content_id("pair", str(number)), side(language, number), category, f"row-{number}", quality)


def write_readable(out: Path, count: int = 9, languages: tuple[str, ...] = ("sw", "ar"), **changes: Any) -> Manifest:
    """`count` train pairs and two test pairs in English and `languages`."""
    with VersionWriter(out) as writer:
        for language in ("en", *languages):
            config = "en" if language == "en" else f"{TRANSLATOR}.{language}"
            writer.add(config, "train", rows(language, count))
            writer.add(config, "test", rows(language, 2, start=1000))
        return writer.finish(facts(**{"detector": {"detector": "rules"}, **changes}))
