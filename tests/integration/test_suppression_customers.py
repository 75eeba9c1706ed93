"""An installation with several customers: an API key sees one of them, and what no key sees is said."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from email_engine.adapters.connection_fields import Fields
from email_engine.adapters.connections import mailwizz_api
from email_engine.adapters.mailwizz_customers import MailwizzCustomers
from email_engine.adapters.mailwizz_pausing import pause, resume
from email_engine.errors import AccessDenied, InputError, Refused
from email_engine.fleet.model import MailwizzInstance
from email_engine.pipelines.mailwizz_inspect import inspect, inspection_words
from email_engine.store.engine import Store
from email_engine.suppression.policy import SuppressionPolicy
from lab.testing import API_KEY, RunningLab, running_lab
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.suppression_bench import CAMPAIGN, SECOND, Bench, counts, hurry, instance

OTHER_KEY = "o" * 40
PREFIX = "customers_"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    state: Path = tmp_path_factory.mktemp("customers")
    shared = instance(
        "mw-aurora", postgres_url, table_prefix=PREFIX, second_owner=2,
        customers=[{"customer_id": 2, "api_key": OTHER_KEY}],
    )  # fmt: skip
    with running_lab({"state": str(state), "clock": {"mode": "real"}, "mailwizz": [shared]}) as running:
        yield running


@pytest.fixture
def bench(lab: RunningLab, store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    hurry(monkeypatch)
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_ip(conn, 1)
    made = Bench(lab, store, postgres_url, prefix=PREFIX, keys=(API_KEY, OTHER_KEY))
    made.clean()
    made.sql("UPDATE {campaign} SET status = 'sending'")
    return made


def second_mailed(bench: Bench, email: str) -> str:
    bench.subscriber(email, campaign=SECOND)
    return bench.sent(email, SECOND)


def test_each_customers_mail_is_suppressed_by_the_key_that_sees_it(bench: Bench) -> None:
    bench.ingest(
        bench.bounce("one@gmail.com", bench.mailed("one@gmail.com")),
        bench.bounce("two@gmail.com", second_mailed(bench, "two@gmail.com"), job=SECOND),
    )
    assert bench.sync() == counts(hard=2, posted=2, stored=2)
    assert bench.statuses("one@gmail.com") == bench.statuses("two@gmail.com") == ["blacklisted"]


def test_a_person_in_lists_of_two_customers_gets_no_more_mail_from_either(bench: Bench) -> None:
    message_id = bench.mailed("both@yahoo.com")
    bench.subscriber("both@yahoo.com", campaign=SECOND)
    bench.ingest(bench.complaint("both@yahoo.com", message_id))
    assert bench.sync() == counts(complaint=1, posted=1, stored=1)
    assert bench.statuses("both@yahoo.com") == ["unsubscribed", "unsubscribed"]


def test_mail_of_a_customer_without_a_key_is_a_finding_and_not_nobodys(bench: Bench) -> None:
    bench.ingest(
        bench.bounce("two@gmail.com", second_mailed(bench, "two@gmail.com"), job=f"news-{SECOND}"),
        bench.bounce("gone@gmail.com", "x1@aurora-mail.example"),
        bench.bounce("stranger@gmail.com", "x2@aurora-mail.example", job="invoices"),
    )
    one_key = replace(bench, keys=(API_KEY,))
    assert one_key.sync() == counts(hard=3, posted=3, not_ours=2, findings=1)
    finding, *others = sorted(bench.rows("state", "trouble"))
    assert finding[0] == "finding"
    assert f"campaign {SECOND} belongs to customer 2" in finding[1]
    assert "more_api_keys" in finding[1]
    assert [state for state, _ in others] == ["not_ours", "not_ours"]
    assert bench.sync("run-2", again=True) == counts(posted=1, stored=1), "with the key it is told"
    assert bench.statuses("two@gmail.com") == ["blacklisted"]


def test_without_the_database_whose_it_is_waits_for_a_run_that_knows(bench: Bench) -> None:
    """It counted as nobody's, and its address was forgotten."""
    bench.ingest(
        bench.bounce("two@gmail.com", second_mailed(bench, "two@gmail.com"), job=SECOND),
        bench.bounce("one@gmail.com", bench.mailed("one@gmail.com")),
    )
    url = make_url(bench.url).set(host="127.0.0.1", port=9, query={}).render_as_string(hide_password=False)
    one_key = replace(bench, keys=(API_KEY,))
    assert replace(one_key, url=url).sync() == counts(hard=2, posted=1, stored=1, open=1)
    rows = bench.rows("state", "tries", "sealed", "trouble")
    [(state, tries, sealed, trouble)] = [row for row in rows if row[0] != "stored"]
    assert (state, tries, bool(sealed)) == ("open", 1, True)
    assert "database" in trouble
    assert one_key.sync("run-2") == counts(posted=1, findings=1)
    assert any(f"campaign {SECOND} belongs to customer 2" in (row[0] or "") for row in bench.rows("trouble"))


def test_a_database_that_stays_away_makes_a_finding_that_keeps_the_address(bench: Bench) -> None:
    bench.ingest(bench.bounce("two@gmail.com", second_mailed(bench, "two@gmail.com"), job=SECOND))
    url = make_url(bench.url).set(host="127.0.0.1", port=9, query={}).render_as_string(hide_password=False)
    for number in range(SuppressionPolicy().tries):
        replace(bench, keys=(API_KEY,), url=url).sync(f"run-{number}")
    [(state, sealed)] = bench.rows("state", "sealed")
    assert (state, bool(sealed)) == ("finding", True)
    assert bench.sync("run-9", again=True) == counts(posted=1, stored=1)


def test_a_further_key_that_is_refused_is_named_and_its_customer_is_not_nobody(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ingest(bench.bounce("two@gmail.com", second_mailed(bench, "two@gmail.com"), job=SECOND))
    assert replace(bench, keys=(API_KEY, "x" * 40)).sync() == counts(hard=1, open=1)
    [(state, trouble)] = bench.rows("state", "trouble")
    assert state == "open"
    assert "mw-aurora, key 2" in trouble
    assert caplog.text.count("the other keys of the connection are asked") == 1
    assert "x" * 40 not in caplog.text + trouble


@pytest.mark.parametrize("refused", [1, 2])
def test_one_customers_refused_key_keeps_no_other_customers_recipients_waiting(
    bench: Bench, refused: int
) -> None:
    names = {
        API_KEY: [f"one{n}@gmail.com" for n in range(4)],
        OTHER_KEY: [f"two{n}@gmail.com" for n in range(4)],
    }
    for name in names[OTHER_KEY]:
        bench.ingest(bench.bounce(name, second_mailed(bench, name), job=SECOND))
    for name in names[API_KEY]:
        bench.ingest(bench.bounce(name, bench.mailed(name)))
    keys = ("x" * 40, OTHER_KEY) if refused == 1 else (API_KEY, "x" * 40)
    assert replace(bench, keys=keys).sync() == counts(hard=8, posted=4, stored=4, open=4)
    fine = names[OTHER_KEY if refused == 1 else API_KEY]
    assert {tuple(bench.statuses(name)) for name in fine} == {("blacklisted",)}
    assert bench.sync("run-2") == counts(posted=4, stored=4)


def test_a_connection_all_of_whose_keys_are_refused_is_an_error_and_nobodys_try(bench: Bench) -> None:
    bench.ingest(bench.bounce("one@gmail.com", bench.mailed("one@gmail.com")))
    with pytest.raises(AccessDenied, match="mw-aurora"):
        replace(bench, keys=("y" * 40, "x" * 40)).sync()
    assert bench.rows("state", "tries") == [("open", 0)]


def test_campaigns_stand_still_by_the_key_of_their_owner(bench: Bench) -> None:
    with bench.clients().mailwizz_api("") as api:
        for campaign in (CAMPAIGN, SECOND):
            assert pause(api, campaign)
            assert not pause(api, campaign)
            assert resume(api, campaign)
        found = {row["campaign_uid"] for row in api.listing("campaigns", "campaign_uid")}
    assert found == {CAMPAIGN, SECOND}
    with (
        replace(bench, keys=(API_KEY,)).clients().mailwizz_api("") as api,
        pytest.raises(Refused, match="no API key of the connection sees it"),
    ):
        pause(api, SECOND)


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ("", 1),
        (None, 1),
        ("k2", 2),
        (" k2, k3;k4\n'k5' ", 5),
        (["k2", "", "k3"], 3),
    ],
)
def test_further_keys_may_stand_as_people_write_them(given: object, keys: int) -> None:
    fields = Fields("mw", "mailwizz", "https://mw.example/api", password="k1", extra={"more_api_keys": given})
    api = mailwizz_api(fields)
    assert isinstance(api, MailwizzCustomers) is (keys > 1)
    assert [view.endpoint.api_key for view in api.views] == [f"k{number}" for number in range(1, keys + 1)]
    assert "k2" not in repr([view.endpoint for view in api.views])


def test_signed_keys_come_in_pairs() -> None:
    extra = {"auth": "signed", "private_key": "p1", "more_api_keys": "k2:p2"}
    fields = Fields("mw", "mailwizz", "https://mw.example/api", password="k1", extra=extra)
    assert [view.endpoint.private_key for view in mailwizz_api(fields).views] == ["p1", "p2"]
    with pytest.raises(InputError, match="signed requests without a private key"):
        mailwizz_api(replace(fields, extra={**extra, "more_api_keys": "k2"}))


def test_a_key_twice_is_refused_without_being_shown() -> None:
    extra = {"more_api_keys": "secret2 secret1"}
    fields = Fields("mw", "mailwizz", "https://mw.example/api", password="secret1", extra=extra)
    with pytest.raises(InputError, match="API key 3 is one of those before it") as caught:
        mailwizz_api(fields)
    assert "secret" not in str(caught.value)


def test_an_inspection_names_the_customers_that_no_key_sees_and_tries_each_key(bench: Bench) -> None:
    of_aurora = MailwizzInstance("mw-aurora", "aurora", "api", "db")
    both = inspect(bench.clients(), of_aurora)
    assert both.unseen == ()
    assert {(answer.key, answer.allowed) for answer in both.routes} == {(1, True), (2, True)}
    assert "API key 2: campaigns" in inspection_words(both)
    one = inspect(replace(bench, keys=(API_KEY,)).clients(), of_aurora)
    assert one.unseen == (2,)
    assert "that no API key sees: 2; what is theirs is neither suppressed nor paused" in inspection_words(one)
    wrong = inspect(replace(bench, keys=(API_KEY, "x" * 40)).clients(), of_aurora)
    assert wrong.unseen is None
    assert {answer.allowed for answer in wrong.routes if answer.key == 2} == {False}
