"""Table `blocklist_questions`: how many questions each list was asked in a UTC day, for the limits of its operator."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from email_engine.blocklists.asking import Asked
from email_engine.store.schema import blocklist_questions


def asked_before(conn: Connection, day: date) -> Asked:
    """Questions of that UTC day and of all days."""
    rows = blocklist_questions.c
    ever = select(rows.list, func.sum(rows.questions).label("questions")).group_by(rows.list)
    today = select(rows.list, rows.questions).where(rows.day == day)
    return Asked(
        {row.list: row.questions for row in conn.execute(today)},
        {row.list: int(row.questions) for row in conn.execute(ever)},
    )


def add_questions(conn: Connection, day: date, asked: Mapping[str, int]) -> None:
    """Counts these on top of the day's."""
    new = [
        {"list": name, "day": day, "questions": questions}
        for name, questions in sorted(asked.items())
        if questions
    ]
    if new:
        statement = insert(blocklist_questions)
        total = blocklist_questions.c.questions + statement.excluded.questions
        conn.execute(
            statement.on_conflict_do_update(index_elements=["list", "day"], set_={"questions": total}), new
        )
