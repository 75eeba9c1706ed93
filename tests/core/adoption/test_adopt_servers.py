"""Which delivery server is whose, also where somebody copied, disabled or misspelled one."""

from dataclasses import replace

import pytest

from email_engine.adoption.servers import InstanceSeen, join_servers, owners_of
from email_engine.mailer.limits import PlanProgress, ServerLimits
from email_engine.mailer.model import DeliveryServer, Setting, Warmup
from email_engine.mailer.policy import QuotaPolicy

POLICY = QuotaPolicy()


def server(number: int, *vmtas: str, status: str = "active", kind: str = "smtp-pmta") -> DeliveryServer:
    return DeliveryServer(number, f"server {number}", kind, "mta-1", Setting(1000, 100, status), vmtas)


def seen(*servers: DeliveryServer, name: str = "mw", tenant: str | None = "aurora") -> InstanceSeen:
    return InstanceSeen(name, tenant, servers)


def told(
    *instances: InstanceSeen, vmtas: tuple[str, ...] = ("v-1",), pools: tuple[str, ...] = ()
) -> list[str]:
    return [str(one) for one in join_servers(vmtas, pools, instances, POLICY).findings]


def test_one_server_with_its_header_is_its_own() -> None:
    join = join_servers(["v-1"], [], [seen(server(7, "v-1"))], POLICY)
    assert join.found["v-1"].server.server_id == 7
    assert join.findings == []


def test_a_disabled_copy_does_not_hide_the_one_in_service() -> None:
    join = join_servers(["v-1"], [], [seen(server(7, "v-1"), server(9, "v-1", status="disabled"))], POLICY)
    assert join.found["v-1"].server.server_id == 7
    assert "the only one in service" in join.found["v-1"].remark
    assert "9 of mw (disabled) has the same header" in str(join.findings[0])
    assert "delete the copy" in join.findings[0].next_step


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        ((server(7, "v-1"), server(9, "v-1")), "servers 7, 9 all name virtual MTA v-1"),
        ((server(7, "v-1", status="disabled"), server(9, "v-1", status="disabled")), "servers 7, 9 all name"),
        ((server(7, "v-1", status="pending-delete"),), "its status is pending-delete"),
        ((server(7, "v-1", "v-2"),), "server 7 names several virtual MTAs: v-1, v-2"),
        ((server(7, "v-1", kind="smtp-amazon"),), "its type is smtp-amazon"),
        ((server(7, "V-1"),), "server 7 names V-1, virtual MTA v-1 in other capitals"),
        ((), "no delivery server of mw has the header x-virtual-mta"),
    ],
    ids=["two run", "two are off", "on its way out", "several names", "another service", "capitals", "none"],
)
def test_a_doubt_is_a_finding_and_no_id(servers: tuple[DeliveryServer, ...], said: str) -> None:
    join = join_servers(["v-1"], [], [seen(*servers)], POLICY)
    assert "v-1" not in join.found
    assert said in " ".join(map(str, join.findings))
    assert join.unknown["v-1"]


def test_servers_of_nobody_are_told() -> None:
    found = told(
        seen(server(7, "v-1"), server(8, "v-9"), server(9, "news"), server(10), server(11, kind="sendmail"), server(12, status="disabled")),
        pools=("news",),
    )  # fmt: skip
    assert len(found) == 3
    assert "server 9 of mw: its header names the pool news" in found[0]
    assert "server 8 of mw: its header names v-9, which no configuration that was read has" in found[1]
    assert "server 10 of mw: no header x-virtual-mta" in found[2]


def test_many_of_a_host_that_was_not_read_are_one_finding_and_none_is_hidden() -> None:
    strangers = [server(n, f"w-{n}") for n in range(20, 60)]
    (found,) = told(seen(server(7, "v-1"), *strangers, server(70, "v1")))
    assert found.startswith(
        "MailWizz mw: the headers of 41 servers name virtual MTAs that no configuration that was read has: 20 (w-20), 21 (w-21), "
    )
    assert "59 (w-59), 70 (v1). Next: " in found


def test_many_without_a_server_are_one_finding() -> None:
    (found,) = told(seen(server(7, "v-1")), vmtas=("v-1", *(f"w-{n}" for n in range(300))))
    assert found.startswith("virtual MTAs w-0, w-1, w-2, w-3, w-4 and 295 more: ")


def test_headers_that_may_not_be_read_prove_no_absence() -> None:
    hidden = replace(server(7), vmtas=None)
    join = join_servers(["v-1"], [], [seen(hidden)], POLICY)
    assert join.unknown["v-1"] == "not all delivery servers could be read"
    assert [one.observed for one in join.findings] == ["its additional headers cannot be read"]


def test_an_instance_that_is_away_is_told_and_proves_no_absence() -> None:
    away = InstanceSeen("mw-2", "birch", None, why="no answer")
    join = join_servers(["v-1", "v-2"], [], [seen(server(7, "v-1")), away], POLICY)
    assert join.found["v-1"].server.server_id == 7
    assert join.unknown["v-2"] == "not all delivery servers could be read"
    assert str(join.findings[0]).startswith("MailWizz mw-2: no answer")


def test_a_plan_of_mailwizz_holds_the_ip_and_is_told() -> None:
    planned = replace(
        server(7, "v-1"), warmup=Warmup.RUNNING, limits=ServerLimits(plan=PlanProgress(8, 2, 500, 20))
    )
    join = join_servers(["v-1"], [], [seen(planned)], POLICY)
    assert join.found["v-1"].held == "MailWizz's own warm-up plan still runs (step 3 of 8, 20 of 500 sent)"
    assert "end the plan" in join.findings[0].next_step


def test_a_server_that_a_person_disabled_is_told() -> None:
    (found,) = told(seen(server(7, "v-1", status="disabled")))
    assert "status is disabled" in found


def test_tenants_follow_the_servers_that_run() -> None:
    aurora = seen(server(7, "v-1"), server(8, "V-2", status="disabled"), server(9, "v-3"))
    birch = seen(server(7, "v-2"), server(8, "v-3"), name="mw-2", tenant="birch")
    nobody = seen(server(1, "v-4"), name="mw-3", tenant=None)
    assert owners_of([aurora, birch, nobody]) == {"v-1": "aurora", "v-2": "birch"}
    join = join_servers(["v-2", "v-3"], [], [aurora, birch], POLICY)
    assert "v-3" not in join.found
    assert "9 of mw, 8 of mw-2 all name it" in " ".join(map(str, join.findings))


def test_several_customers_of_one_installation_become_one_tenant_and_that_is_told() -> None:
    mine, other = (replace(server(n, f"v-{n}"), limits=ServerLimits(customer_id=n)) for n in (1, 2))
    (found,) = told(seen(mine, other), vmtas=("v-1", "v-2"))
    assert "its servers belong to 2 customers (1, 2), who become one tenant" in found
    assert told(seen(mine), vmtas=("v-1",)) == []
