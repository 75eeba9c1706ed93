"""`python -m tests.bench.reply_texts FILE.tsv`: how many reply texts the lexicon knows, and how many of those rightly.

A line: what the text's source says it is about, a tab, status and reply as `5.1.1 smtp;550 5.1.1 user unknown`, and, where the
source is one mailbox provider's, a tab and its name. A truth such as `content|reputation` allows either. Each text is judged as
it came and in its normal form; PowerMTA's category is the one that `render` would give it."""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from email_engine.accounting.lexicon import shipped_lexicon
from email_engine.accounting.replies import KNOWN_MEANINGS, SUPPRESSED, first_category
from email_engine.accounting.reply_text import plain
from email_engine.fleet.providers import OTHER
from email_engine.pmta.config.deploy_policy import deploy_policy

GOAL_KNOWN, GOAL_RIGHT = 0.95, 0.98


@dataclass(frozen=True, slots=True)
class Sample:
    """A reply and the meanings that its source allows."""

    truths: frozenset[str]
    text: str
    provider: str


@dataclass(frozen=True, slots=True)
class Judged:
    """`suppressed`: its bounce category would suppress the recipient although the source speaks of something else."""

    sample: Sample
    meaning: str
    known: bool
    suppressed: bool

    @property
    def right(self) -> bool:
        return self.meaning in self.sample.truths


def read(text: str) -> list[Sample]:
    """Raises ValueError that names the line."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        truth, reply, provider, *more = *line.split("\t"), "", ""
        truths = frozenset(truth.split("|"))
        if not truths <= set(KNOWN_MEANINGS) or not reply or any(more):
            raise ValueError(
                f"line {number}: {line[:60]!r}; allowed: truth<TAB>text, or a provider behind it"
            )
        found.append(Sample(truths, reply, provider or OTHER))
    return found


def judge(samples: Iterable[Sample]) -> list[Judged]:
    lexicon, categories = shipped_lexicon(), deploy_policy().bounce_categories
    found = []
    for one in samples:
        category = first_category(categories, one.text)
        suppressed = category in SUPPRESSED and "address" not in one.truths
        for text in dict.fromkeys((one.text, plain(one.text))):
            verdict = lexicon.verdict(one.provider, text, category)
            found.append(Judged(one, verdict.meaning.value, verdict.known, suppressed))
    return found


def main(path: str) -> None:
    samples = read(Path(path).read_text())
    judged = judge(samples)
    known = [one for one in judged if one.known]
    right = sum(one.right for one in known)
    for one in judged:
        if not one.known or not one.right or one.suppressed:
            told = one.meaning if one.known else f"unknown ({one.meaning})"
            mark = "SUPPRESSES " if one.suppressed else ""
            print(f"{mark}{'|'.join(sorted(one.sample.truths))} -> {told}: {one.sample.text}")
    print(Counter("|".join(sorted(one.truths)) for one in samples))
    print(f"{len(samples)} texts, each as it came and in its normal form")
    print(f"known: {len(known) / len(judged):.1%} (goal {GOAL_KNOWN:.0%})")
    print(f"right, of the known: {right / len(known):.1%} (goal {GOAL_RIGHT:.0%})")
    print(f"would suppress a recipient wrongly: {sum(one.suppressed for one in judged)}")


if __name__ == "__main__":
    main(sys.argv[1])
