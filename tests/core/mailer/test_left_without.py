"""Who has no delivery server left after a stop; only what is read is said."""

import pytest

from email_engine.mailer.left_without import LeftWithout, left_without
from email_engine.mailer.limits import ServerLimits
from email_engine.mailer.model import DeliveryServer, Setting
from email_engine.mailer.senders import Customer, LiveCampaign, Senders

WEEKLY = LiveCampaign(7, 1, name="Weekly")
ONLY_101 = LiveCampaign(8, 1, frozenset({101}), name="Offers")
OTHERS = LiveCampaign(9, 2, name="Other")
CUSTOMERS = {1: Customer(1, True, 5), 2: Customer(2, True, 6), 3: Customer(3, False, 5)}


def server(
    server_id: int, customer: int | None = None, status: str = "active", **limits: object
) -> DeliveryServer:
    return DeliveryServer(
        server_id, f"aurora-{server_id}", "smtp-pmta", "mta-1", Setting(1000, 100, status), (),
        limits=ServerLimits(customer_id=customer, **limits),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("servers", "off", "groups", "campaigns", "customers"),
    [
        ([server(101), server(102)], {101}, {}, [8], []),
        ([server(101), server(102)], {101, 102}, {}, [7, 8, 9], [1, 2]),
        ([server(101, status="disabled"), server(102)], {101}, {}, [8], []),
        ([server(101), server(102, status="disabled")], {101}, {}, [7, 8, 9], [1, 2]),
        ([server(101), server(102, probability=0)], {101}, {}, [7, 8, 9], [1, 2]),
        ([server(101), server(102), server(201, 2)], {101, 102}, {}, [7, 8], [1]),
        ([server(101, 1), server(102)], {101}, {}, [8], []),
        ([server(101), server(102)], {102}, {6: frozenset({102})}, [9], [2]),
        ([server(101), server(102)], {103}, {}, [], []),
        ([server(102)], {101}, {}, [], []),
    ],
    ids=[
        "its only allowed one", "the last two", "off already", "the other one is off", "the other one is never picked",
        "another customer has one of its own", "its group's are left", "of one group alone", "nobody's", "deleted",
    ],
)  # fmt: skip
def test_they_lose_their_last_server(
    servers: list[DeliveryServer],
    off: set[int],
    groups: dict[int, frozenset[int]],
    campaigns: list[int],
    customers: list[int],
) -> None:
    found = left_without(Senders(CUSTOMERS, groups, (WEEKLY, ONLY_101, OTHERS)), servers, off)
    assert [each.campaign_id for each in found.campaigns] == campaigns
    assert list(found.customers) == customers


def test_of_what_cannot_be_read_nothing_is_said() -> None:
    found = left_without(Senders(None, None, (WEEKLY, ONLY_101)), [server(101)], {101})
    assert found == LeftWithout((ONLY_101,)), (
        "its own list says enough; whose servers the other may use does not"
    )
    assert left_without(Senders(CUSTOMERS, {}, None), [server(101)], {101}).campaigns == ()


def test_the_sentence_names_a_few_and_counts_the_rest() -> None:
    many = tuple(LiveCampaign(n, 1, name=f"News {n}") for n in range(1, 9))
    words = LeftWithout(many, (1, 2)).words("mw-aurora") or ""
    assert words.startswith("No delivery server of mw-aurora is left for 8 campaigns under way: News 1 (1), ")
    assert words.endswith("News 5 (5) and 3 more; and for customers 1, 2")
    assert (LeftWithout((), (1,)).words("mw-aurora") or "").endswith("is left for customer 1")
    assert LeftWithout().words("mw-aurora") is None
