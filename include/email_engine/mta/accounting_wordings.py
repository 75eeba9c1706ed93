"""What receivers meant by the replies in a file: judged once for each wording, counted for all of its rows."""

from datetime import datetime

from email_engine.mta.accounting_scan import Group
from email_engine.mta.accounting_values import KEPT_TEXTS, Counts, ReplyText, Summary
from email_engine.mta.lexicon import Lexicon, Verdict
from email_engine.mta.reply_text import example, tidy


class Wordings:
    """Adds replies to a summary."""

    def __init__(self, summary: Summary, lexicon: Lexicon) -> None:
        self._summary = summary
        self._lexicon = lexicon
        self._verdicts: dict[tuple[str, str, str], tuple[Verdict, str]] = {}

    def count(self, kind: str, provider: str, group: Group, counts: Counts, hour: datetime) -> None:
        """Adds a group of bounces (`b`) or deferrals (`t`) to the counts of its hour and to the summary."""
        key = (provider, group.reply or "", group.category)
        judged = self._verdicts.get(key)
        if judged is None:
            text = tidy(key[1])
            judged = self._verdicts[key] = (self._lexicon.verdict(provider, text, group.category), text)
        verdict, text = judged
        tally = counts.bounce_meanings if kind == "b" else counts.deferral_meanings
        tally[verdict.meaning.value] = tally.get(verdict.meaning.value, 0) + group.rows
        if verdict.named:
            counts.named_lists[verdict.named] = counts.named_lists.get(verdict.named, 0) + group.rows
        summary = self._summary
        summary.failures += group.rows
        summary.unknown_failures += 0 if verdict.known else group.rows
        wording = (provider, "bounce" if kind == "b" else "deferral", text)
        told = summary.texts.get(wording)
        if told is not None:
            told.count += group.rows
            told.first, told.last = min(told.first, hour), max(told.last, hour)
        elif len(summary.texts) < KEPT_TEXTS:
            shown = example(*group.example) if group.example else ""
            summary.texts[wording] = ReplyText(
                group.rows, verdict.meaning.value, verdict.known, shown, hour, hour
            )
