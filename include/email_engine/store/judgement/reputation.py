"""Table `reputation`: what is known of every IP at every mailbox provider now; the last look replaces the one before."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.postgresql import insert

from email_engine.reputation.gates import DEFERRALS
from email_engine.reputation.posterior import Posterior
from email_engine.store.schema import reputation
from email_engine.warmup.assessment import Assessment
from email_engine.warmup.plan import plain_judgement
from email_engine.warmup.profile import ALL, Profile


def replace_all(
    conn: Connection,
    tenant: str,
    found: Sequence[Profile],
    assessments: Mapping[int, Assessment],
    as_of: datetime,
    run: tuple[str, str],
) -> int:
    """Writes the tenant's rows anew; returns how many there are.

    `assessments`: IPs that are judged, by id: their scores and verdicts stand in the row of all providers, the deferral gate in
    that of each."""
    conn.execute(delete(reputation).where(reputation.c.tenant == tenant))
    rows = [
        {
            "tenant": tenant,
            "ip_id": profile.ip_id,
            "provider": profile.provider,
            "messages": max(rate.messages for rate in profile.rates.values()),
            "rates": {gate: _plain(rate) for gate, rate in profile.rates.items()},
            "as_of": as_of,
            "dag_id": run[0],
            "run_id": run[1],
            **_judged(assessments.get(profile.ip_id), profile.provider),
        }
        for profile in found
    ]
    if rows:
        conn.execute(insert(reputation), rows)
    return len(rows)


def _plain(rate: Posterior) -> dict[str, Any]:
    return {
        "mean": round(rate.mean, 6), "low": round(rate.low, 6), "high": round(rate.high, 6),
        "bad": rate.bad, "messages": rate.messages,
    }  # fmt: skip


def _judged(assessment: Assessment | None, provider: str) -> dict[str, Any]:
    if assessment is None:
        return {"score": None, "score_low": None, "score_high": None, "lost": {}, "verdicts": {}}
    if provider != ALL:
        judged = assessment.judged.providers[DEFERRALS].get(provider)
        verdicts = {"deferrals": plain_judgement(judged)} if judged else {}
        return {"score": None, "score_low": None, "score_high": None, "lost": {}, "verdicts": verdicts}
    score = assessment.score
    return {
        "score": score.value,
        "score_low": score.low if score.known else None,
        "score_high": score.high if score.known else None,
        "lost": dict(score.lost),
        "verdicts": {gate: plain_judgement(judged) for gate, judged in assessment.judgements.items()},
    }
