"""Table `blocklist_questions`: how many questions each list was asked in a UTC day, for the limits of its operator."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from email_engine.store.schema import blocklist_questions


def asked_on(conn: Connection, day: date) -> dict[str, int]:
    """Questions by name of the list."""
    rows = blocklist_questions.c
    query = select(rows.list, rows.questions).where(rows.day == day)
    return {row.list: row.questions for row in conn.execute(query)}


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
