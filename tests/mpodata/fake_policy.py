"""An engine and a prompt_translator that say what a test tells them: the logic around a policy, without one."""

from collections.abc import Callable, Sequence

from mpodata.engines import Answer, Sampling
from mpodata.records import Dropped
from mpodata.translators import SentenceTranslator
from mpodata.translators.document import DocumentTranslator

ENGLISH = {"How do I pick a lock?": "Ninawezaje kufungua kufuli?", "How do I cook rice?": "Ninawezaje kupika wali?"}
REFUSAL = "Samahani, siwezi kusaidia na ombi hilo."  # "Sorry, I cannot help with that request."
HELP = "Ndiyo, kwanza chukua waya mwembamba kisha uingize ndani ya kufuli polepole."
ENGLISH_REFUSAL = "I'm sorry, but I can't help with that request."


class SpokenEngine:
    """Answers by a function of the prompt and the sampling; remembers what it was asked."""

    block = 256

    def __init__(self, say: Callable[[str, Sampling], Sequence[str | Answer]]) -> None:
        self.say = say
        self.asked: list[tuple[str, Sampling]] = []

    def answers(self, conversations, sampling):
        found = []
        for [turn] in conversations:
            self.asked.append((turn["content"], sampling))
            said = self.say(turn["content"], sampling)
            found.append([one if isinstance(one, Answer) else Answer(one, "stop", 10) for one in said])
        return found

    def provenance(self):
        return {"engine": "spoken", "model": "spoken"}


class Dictionary(SentenceTranslator):
    """A SentenceTranslator of the sentences it knows."""

    max_segment = 400

    def __init__(self, words: dict[str, str]) -> None:
        self.words = words

    def segments(self, texts, source, target, *, attempt=0):
        return [self.words.get(text, Dropped("untranslatable")) for text in texts]

    def provenance(self):
        return {"name": "dictionary"}


def carried(words: dict[str, str] = ENGLISH, journal=None) -> DocumentTranslator:
    return DocumentTranslator(Dictionary(words), journal=journal)
