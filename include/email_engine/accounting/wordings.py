"""What receivers meant by the replies in a file: judged once for each wording, counted for all of its rows."""

from dataclasses import dataclass
from datetime import datetime

from email_engine.accounting.lexicon import Lexicon
from email_engine.accounting.reply_text import example, tidy
from email_engine.accounting.scan import BETWEEN, Group
from email_engine.accounting.values import KEPT_TEXTS, Counts, ReplyText, Summary, Wording


class Wordings:
    """Adds replies to a summary."""

    def __init__(self, summary: Summary, lexicon: Lexicon) -> None:
        self._summary = summary
        self._lexicon = lexicon
        self._judged: dict[tuple[str, str, str, str], _Judged] = {}

    def count(self, kind: str, provider: str, group: Group, counts: Counts, hour: datetime) -> None:
        """Adds a group of bounces (`b`) or deferrals (`t`) to the counts of its hour and to the summary."""
        key = (kind, provider, group.reply or "", group.category)
        judged = self._judged.get(key)
        if judged is None:
            judged = self._judged[key] = self._judge(*key)
        rows = group.rows
        tally = counts.bounce_meanings if kind == "b" else counts.deferral_meanings
        tally[judged.meaning] = tally.get(judged.meaning, 0) + rows
        if judged.named:
            counts.named_lists[judged.named] = counts.named_lists.get(judged.named, 0) + rows
        summary = self._summary
        summary.failures += rows
        if not judged.known:
            summary.unknown_failures += rows
        told = judged.told or summary.texts.get(judged.wording)
        if told is not None:
            told.count += rows
            if hour < told.first:
                told.first = hour
            elif hour > told.last:
                told.last = hour
        elif len(summary.texts) < KEPT_TEXTS:
            shown = example(*group.example.split(BETWEEN)) if group.example else ""
            told = ReplyText(rows, judged.meaning, judged.known, shown, hour, hour)
            summary.texts[judged.wording] = told
        judged.told = told

    def _judge(self, kind: str, provider: str, reply: str, category: str) -> "_Judged":
        text = tidy(reply)
        verdict = self._lexicon.verdict(provider, text, category)
        wording = (provider, "bounce" if kind == "b" else "deferral", text)
        return _Judged(verdict.meaning.value, verdict.known, verdict.named, wording, None)


@dataclass(slots=True)
class _Judged:
    """What a reply means, and the wording that it adds to."""

    meaning: str
    known: bool
    named: str
    wording: Wording
    told: ReplyText | None
