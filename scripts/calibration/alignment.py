"""Sentences that a collection puts beside others, told by their lengths; a collection with many of them is left out."""

import math
import statistics

LONG = 40  # characters of an English sentence whose translation's length tells
FARTHEST = 1.0  # distance of log(length ratio) from the median: farther, it translates another sentence
MOST_MISPLACED = 0.01  # share of a collection's long sentences; with more, their neighbours are misplaced, too
FEWEST_MISPLACED = 10  # sentences, to leave a collection out

Sentences = list[tuple[str, str]]  # (English, translation)


def aligned(sentences: Sentences) -> Sentences:
    """Those whose lengths fit; none of them where too many do not."""
    ratios = {pair: math.log(len(pair[1]) / len(pair[0])) for pair in sentences if len(pair[0]) >= LONG}
    usual = statistics.median(ratios.values()) if ratios else 0.0
    misplaced = {pair for pair, ratio in ratios.items() if abs(ratio - usual) > FARTHEST}
    if len(misplaced) >= max(FEWEST_MISPLACED, MOST_MISPLACED * len(ratios)):
        return []
    return [pair for pair in sentences if pair not in misplaced]
