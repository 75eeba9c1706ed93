"""Whether accounting and MailWizz mean the same mail, by a sample of Message-Ids."""

from collections.abc import Sequence

import pytest

from email_engine.accounting.message_ids import MessageIds, SampledId
from email_engine.mailer.unreadable import Unreadable
from email_engine.pipelines.fleet_adopt.files import FilesRead
from email_engine.pipelines.fleet_adopt.message_ids import Ask, message_id_findings

SAMPLE = tuple(SampledId(f"{n}@mail.example", "v-1") for n in range(20))
ALL = MessageIds(50, 50, True, SAMPLE)
Answer = dict[str, int | None] | Unreadable


def asked(*answers: Answer) -> tuple[list[str], Ask]:
    """Instances, each with its answer."""
    by_name = {f"mw-{n}": answer for n, answer in enumerate(answers, 1)}

    def ask(name: str, ids: Sequence[str]) -> Answer:
        answer = by_name[name]
        return (
            answer if isinstance(answer, Unreadable) else {one: answer[one] for one in ids if one in answer}
        )

    return list(by_name), ask


def known(*numbers: int) -> Answer:
    return {f"{n}@mail.example": 7 for n in numbers}


HIDDEN = Unreadable("email_message_id cannot be read", "grant it")


@pytest.mark.parametrize(
    ("seen", "answers", "said"),
    [
        (None, (known(),), None),
        (ALL, (known(*range(20)),), None),
        (ALL, (known(*range(8)), known(*range(8, 14))), None),
        (ALL, (), None),
        (ALL, (known(1),), "1 of the newest 20 Message-Ids stand in MailWizz's delivery log"),
        (ALL, (HIDDEN,), "could not be looked up (mw-1: email_message_id cannot be read)"),
        (ALL, (HIDDEN, known(*range(20))), None),
        (MessageIds(50, 0, False), (known(),), "has no column header_Message-Id"),
        (MessageIds(50, 0, True), (known(),), "leaves header_Message-Id empty"),
        (MessageIds(50, 40, True, SAMPLE), (known(*range(20)),), "10 of its newest 50 deliveries carry no Message-Id"),
    ],
    ids=["no delivery", "all known", "in two instances", "no MailWizz", "another MailWizz", "hidden", "one hidden", "no column", "empty", "some"],
)  # fmt: skip
def test_what_is_not_the_same_mail_is_told(
    seen: MessageIds | None, answers: tuple[Answer, ...], said: str | None
) -> None:
    names, ask = asked(*answers)
    found = [str(one) for one in message_id_findings("mta-1", FilesRead(ids=seen), names, ask)]
    assert len(found) == (said is not None)
    assert (said or "") in " ".join(found)
    assert not any("@mail.example" in one for one in found)
