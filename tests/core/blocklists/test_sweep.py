"""A sweep against a table of answers: what is asked, confirmed, held and left unknown."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, ip_address

import pytest

from email_engine.blocklists.asking import CHUNK, LONGEST_PACED, Asked
from email_engine.blocklists.model import (
    BlockList,
    Code,
    Limits,
    ListClass,
    Listed,
    Lists,
    ListStatus,
    NotKnown,
    NotListed,
    Severity,
)
from email_engine.blocklists.names import listing_question
from email_engine.blocklists.sweep import (
    BlastRadius,
    SweepResult,
    believed,
    first_round,
    probe_blocklists,
    second_round,
    sweep,
)
from email_engine.dns_answers import Answer, Found, NotFound, Question, Trouble, Unknown
from email_engine.fleet.model import IpAddress

FLEET: list[IpAddress] = [ip_address(f"198.51.100.{n}") for n in range(1, 41)]
KEY = "abcdefghijklmnopqrstuvwxyz"


def blocklist(name: str) -> BlockList:
    code = Code("SBL", ListClass.REPUTATION, Severity.HIGH)
    return BlockList(name, name, f"{name}.example", codes={IPv4Address("127.0.0.2"): code})


ZEN, BL = blocklist("zen"), blocklist("bl")


class World:
    """Answers from a table, remembers what it was asked; `later` overrules in the second round."""

    def __init__(self, *listed: tuple[str, BlockList]) -> None:
        self.table: dict[Question, Answer] = {}
        self.later: dict[Question, Answer] = {}
        self.rounds: list[list[Question]] = []
        self.waits = 0
        for address, on in listed:
            self.put(address, on, "127.0.0.2")

    def put(self, address: str, on: BlockList, *codes: str) -> None:
        self.table[listing_question(ip_address(address), on.zone)] = Found(codes, 60)
        reason = f"listed, see https://{on.name}.example/{address}"
        self.table[listing_question(ip_address(address), on.zone, "TXT")] = Found((reason,), 60)

    def then(self, address: str, on: BlockList, answer: Answer) -> None:
        self.later[listing_question(ip_address(address), on.zone)] = answer

    def ask(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        asked = list(questions)
        self.rounds.append(asked)
        return {q: self.table.get(q, NotFound()) for q in asked}

    def ask_again(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        return {q: self.later.get(q, a) for q, a in self.ask(questions).items()}

    def wait(self) -> None:
        self.waits += 1

    def sweep(
        self,
        lists: tuple[BlockList, ...] = (ZEN, BL),
        open_codes: dict[tuple[IpAddress, str], tuple[str, ...]] | None = None,
        fleet: list[IpAddress] | None = None,
        guard: BlastRadius = BlastRadius(),  # noqa: B008 - frozen
    ) -> SweepResult:
        addresses = FLEET if fleet is None else fleet
        return sweep(addresses, lists, {}, open_codes or {}, self.ask, self.ask_again, self.wait, guard)


def test_a_quiet_fleet_is_asked_once_and_nobody_waits() -> None:
    world = World()
    result = world.sweep()
    assert set(result.verdicts.values()) == {NotListed()}
    assert result.asked == {"zen": 40, "bl": 40}
    assert world.waits == 0
    assert len(world.rounds) == 1


def test_a_new_listing_is_asked_again_and_its_reason_read() -> None:
    world = World(("198.51.100.9", ZEN))
    result = world.sweep()
    pair = (FLEET[8], "zen")
    assert isinstance(result.verdicts[pair], Listed)
    assert result.reasons == {pair: "listed, see https://zen.example/198.51.100.9"}
    assert world.waits == 1
    assert [len(asked) for asked in world.rounds] == [80, 1, 1]


@pytest.mark.parametrize("second", [NotFound(), Found(("127.0.0.4",)), Found(("127.255.255.254",))], ids=repr)
def test_two_unequal_answers_are_unknown(second: Answer) -> None:
    world = World(("198.51.100.9", ZEN))
    world.then("198.51.100.9", ZEN, second)
    result = world.sweep()
    assert isinstance(result.verdicts[FLEET[8], "zen"], NotKnown)
    assert result.reasons == {}


def test_the_first_round_counts_an_ip_as_answered_by_what_is_final_alone() -> None:
    world = World(("198.51.100.9", ZEN), ("198.51.100.10", ZEN), ("198.51.100.11", ZEN))
    fleet, known = FLEET[8:11], {(FLEET[9], "zen"): ("127.0.0.2",)}
    world.table[listing_question(FLEET[10], BL.zone)] = Unknown("no answer")
    both = first_round(fleet, [ZEN, BL], {}, known, world.ask)
    assert set(both.new) == {(FLEET[8], "zen"), (FLEET[10], "zen")}
    assert both.answered() == {FLEET[8], FLEET[9]}, "the last one's only answer is not confirmed"
    assert both.unknown() == {"bl": 1}


@pytest.mark.parametrize("lists", [[BL], [replace(ZEN, key_required=True)]], ids=["gone", "without its key"])
def test_a_list_that_cannot_be_asked_any_more_confirms_nothing(lists: list[BlockList]) -> None:
    world = World(("198.51.100.9", ZEN))
    new = first_round(FLEET, [ZEN], {}, {}, world.ask).new
    verdicts, reasons, _ = second_round(new, lists, {}, world.ask_again)
    assert [type(verdict) for verdict in verdicts.values()] == [NotKnown]
    assert reasons == {}


def test_a_listing_that_is_open_with_the_same_codes_needs_no_second_question() -> None:
    world = World(("198.51.100.9", ZEN))
    result = world.sweep(open_codes={(FLEET[8], "zen"): ("127.0.0.2",)})
    assert isinstance(result.verdicts[FLEET[8], "zen"], Listed)
    assert world.waits == 0


def test_a_listing_that_changed_its_codes_is_asked_again() -> None:
    world = World(("198.51.100.9", ZEN))
    world.sweep(open_codes={(FLEET[8], "zen"): ("127.0.0.10",)})
    assert world.waits == 1


@pytest.mark.parametrize(
    ("listed", "fleet_size", "held"),
    [(4, 40, False), (5, 40, True), (2, 5, False), (3, 5, True), (3, 40, False)],
    ids=["just 10 %", "more than 10 %", "two of five", "three of five", "three of forty"],
)
def test_a_list_that_lists_too_many_at_once_is_held(listed: int, fleet_size: int, held: bool) -> None:
    world = World(*((str(a), ZEN) for a in FLEET[:listed]))
    result = world.sweep(fleet=FLEET[:fleet_size])
    verdicts = [result.verdicts[a, "zen"] for a in FLEET[:listed]]
    assert all(isinstance(v, NotKnown if held else Listed) for v in verdicts)
    assert result.held == ({"zen": listed} if held else {})
    assert world.waits == (0 if held else 1)
    assert result.unknown() == ({"zen": listed} if held else {})


def test_what_was_open_before_does_not_count_against_a_list() -> None:
    world = World(*((str(a), ZEN) for a in FLEET[:8]))
    known = {(a, "zen"): ("127.0.0.2",) for a in FLEET[:5]}
    assert world.sweep(open_codes=known).held == {}


def test_a_person_may_widen_the_guard() -> None:
    world = World(*((str(a), ZEN) for a in FLEET))
    assert world.sweep(guard=BlastRadius(share_rate=1.0)).held == {}


def test_a_list_that_refuses_us_on_the_way_is_unknown_and_not_asked_further() -> None:
    fleet: list[IpAddress] = [ip_address(0xC6120000 + n) for n in range(3 * CHUNK)]
    world = World()
    world.put(str(fleet[CHUNK + 5]), ZEN, "127.255.255.255")
    result = world.sweep(fleet=fleet)
    assert "too many queries" in result.faults["zen"]
    assert result.verdicts[fleet[0], "zen"] == NotListed()
    assert isinstance(result.verdicts[fleet[CHUNK + 5], "zen"], NotKnown)
    assert result.verdicts[fleet[CHUNK], "zen"] == NotListed(), "an answer in hand counts"
    last = result.verdicts[fleet[-1], "zen"]
    assert isinstance(last, NotKnown)
    assert "not asked any more" in last.reason
    assert result.verdicts[fleet[-1], "bl"] == NotListed()
    assert [len(asked) for asked in world.rounds] == [2 * CHUNK, 2 * CHUNK, CHUNK]


def test_the_order_of_a_file_never_matters() -> None:
    fleet: list[IpAddress] = [ip_address(0xC6120000 + n) for n in range(250)]
    world = World(*((str(fleet[n]), ZEN) for n in (11, 121, 241)))
    world.put(str(fleet[150]), ZEN, "127.255.255.254")
    forward, backward = world.sweep(fleet=fleet), world.sweep(fleet=fleet[::-1])
    assert forward.verdicts == backward.verdicts
    listed = [fleet.index(ip) for (ip, _), verdict in forward.verdicts.items() if isinstance(verdict, Listed)]
    assert sorted(listed) == [11, 121], "what is in hand counts; 241 was not asked any more"
    assert isinstance(forward.verdicts[fleet[241], "zen"], NotKnown)


def test_an_ipv4_address_in_the_clothes_of_ipv6_is_asked_as_ipv4() -> None:
    mapped: list[IpAddress] = [ip_address("::ffff:198.51.100.9")]
    result = World(("198.51.100.9", ZEN)).sweep(fleet=mapped)
    assert isinstance(result.verdicts[mapped[0], "zen"], Listed)


def test_a_reason_cannot_turn_a_terminal_around() -> None:
    world = World(("198.51.100.9", ZEN))
    world.table[listing_question(FLEET[8], ZEN.zone, "TXT")] = Found(
        ("see \u202ehttps://evil\x1b[31m\u2066",), 60
    )
    assert world.sweep().reasons == {(FLEET[8], "zen"): "see \ufffdhttps://evil\ufffd[31m\ufffd"}


DBL = replace(BL, name="dbl", zone="dbl.example", lists=Lists.DOMAINS)


def test_domains_are_asked_of_lists_of_domains_and_ips_of_the_others() -> None:
    world = World()
    world.table[Question("aurora.example.dbl.example")] = Found(("127.0.0.2",), 60)
    result = sweep(
        [*FLEET[:2], "aurora.example", "borealis.example"],
        (ZEN, DBL),
        {},
        {},
        world.ask,
        world.ask,
        world.wait,
    )
    assert {(str(one), name) for one, name in result.verdicts} == {
        ("198.51.100.1", "zen"), ("198.51.100.2", "zen"), ("aurora.example", "dbl"), ("borealis.example", "dbl"),
    }  # fmt: skip
    assert isinstance(result.verdicts["aurora.example", "dbl"], Listed)


def test_a_limit_for_a_day_is_kept_and_the_next_sweep_goes_on_where_it_ended() -> None:
    limited = replace(ZEN, limits=Limits(a_day=50))
    world = World()

    def asked_about(today: int, ever: int = 0) -> tuple[set[IpAddress], dict[str, int]]:
        before = Asked({"zen": today}, {"zen": ever + today})
        first = first_round(FLEET, [limited, BL], {}, {}, world.ask, before=before)
        assert sum(1 for _, name in first.verdicts if name == "bl") == len(FLEET)
        return {ip for ip, name in first.verdicts if name == "zen"}, dict(first.left_out)

    assert asked_about(0) == (set(FLEET), {})
    assert asked_about(40) == (set(FLEET[:10]), {"zen": 30})
    assert asked_about(45) == (set(FLEET[5:10]), {"zen": 35})
    assert asked_about(50) == (set(), {"zen": 40})


def test_lists_of_one_key_share_its_day() -> None:
    """The operator counts the key's questions, not those of a zone."""
    zen, dbl = (replace(blocklist(name), key="dqs", limits=Limits(a_day=100)) for name in ("zen", "dbl"))
    other = replace(blocklist("other"), limits=Limits(a_day=100))
    first = first_round(
        FLEET, [zen, dbl, other], {}, {}, World().ask, before=Asked({"zen": 10, "dbl": 30, "other": 30})
    )
    assert dict(first.asked) == {"zen": 40, "dbl": 20, "other": 40}
    assert dict(first.left_out) == {"dbl": 20}


def test_over_some_days_everything_is_asked_whatever_the_limit() -> None:
    """150 IPs, 100 questions a day, six sweeps a day: what one day leaves out, the next one begins with."""
    fleet: list[IpAddress] = [ip_address(0xC6120000 + n) for n in range(150)]
    limited, world, ever, seen = replace(ZEN, limits=Limits(a_day=100)), World(), 0, set[IpAddress]()
    for _ in range(2):
        today = 0
        for _ in range(6):
            first = first_round(
                fleet, [limited], {}, {}, world.ask, before=Asked({"zen": today}, {"zen": ever})
            )
            today, ever = today + first.asked["zen"], ever + first.asked["zen"]
            seen |= {ip for ip, _ in first.verdicts}
        assert today == 100
    assert seen == set(fleet)


def test_a_slow_limit_takes_no_longer_than_a_sweep_may() -> None:
    fleet: list[IpAddress] = [ip_address(0xC6120000 + n) for n in range(4000)]
    limited, world, pauses = replace(ZEN, limits=Limits(a_second=5)), World(), list[float]()
    first = first_round(fleet, [limited], {}, {}, world.ask, pause=pauses.append)
    assert first.left_out == {"zen": 4000 - 5 * LONGEST_PACED}
    assert sum(pauses) <= LONGEST_PACED


def test_a_list_that_falls_silent_keeps_no_other_list_waiting() -> None:
    fleet: list[IpAddress] = [ip_address(0xC6120000 + n) for n in range(10 * CHUNK)]
    world = World()
    for ip in fleet:
        world.table[listing_question(ip, ZEN.zone)] = Unknown(Trouble.TIMEOUT)
    result = world.sweep(fleet=fleet)
    assert result.faults == {"zen": "100 of 100 questions were not answered"}
    assert (result.asked, result.unknown()) == ({"zen": CHUNK, "bl": 10 * CHUNK}, {"zen": 10 * CHUNK})


def test_the_second_round_keeps_the_limit_too_and_says_why_it_confirms_nothing() -> None:
    limited, pauses = replace(ZEN, limits=Limits(a_second=2)), list[float]()
    world = World(*((str(ip), ZEN) for ip in FLEET[:5]))
    first = first_round(FLEET[:5], [limited], {}, {}, world.ask, BlastRadius(1.0), pause=pauses.append)
    world.rounds.clear()
    pauses.clear()
    world.then(str(FLEET[0]), ZEN, Unknown(Trouble.TIMEOUT))
    verdicts, reasons, asked = second_round(first.new, [limited], {}, world.ask_again, pauses.append)
    assert [len(one) for one in world.rounds] == [2, 2, 1, 2, 2]
    assert (len(reasons), asked, pauses) == (4, {"zen": 9}, [1, 1, 1])
    assert verdicts[FLEET[0], "zen"] == NotKnown("not confirmed: timeout")


def test_all_names_of_one_registered_domain_are_one_listing() -> None:
    names = [f"news{n}.aurora.example" for n in range(20)] + [f"{n}.example" for n in "abcdefghij"]
    world = World()
    for name in names[:20]:
        world.table[Question(f"{name}.dbl.example")] = Found(("127.0.0.2",), 60)
    assert world.sweep((DBL,), fleet=names).held == {}  # type: ignore[arg-type]
    for name in names[20:24]:
        world.table[Question(f"{name}.dbl.example")] = Found(("127.0.0.2",), 60)
    assert world.sweep((DBL,), fleet=names).held == {"dbl": 5}  # type: ignore[arg-type]


def test_a_limit_for_a_second_is_kept_by_pauses_and_slows_no_other_list() -> None:
    limited = replace(ZEN, limits=Limits(a_second=15))
    world, pauses = World(), list[float]()
    first = first_round(FLEET, [limited, BL], {}, {}, world.ask, pause=pauses.append)
    assert [len(asked) for asked in world.rounds] == [40, 15, 15, 10]
    assert len(pauses) == 2
    assert all(0.5 < seconds <= 1 for seconds in pauses)
    assert set(first.verdicts.values()) == {NotListed()}


def test_ipv6_addresses_are_asked_of_lists_that_know_them() -> None:
    result = World().sweep((ZEN, replace(BL, ipv6=True)), fleet=[ip_address("2001:db8::25")])
    assert [name for _, name in result.verdicts] == ["bl"]


def test_the_key_is_in_the_question_and_in_nothing_that_comes_back() -> None:
    keyed = replace(ZEN, key="spamhaus", keyed_zone="{key}.zen.dq.spamhaus.net")
    asked: list[Question] = []

    def ask(questions: Iterable[Question]) -> dict[Question, Answer]:
        new = list(questions)
        asked.extend(new)
        return {
            q: Found((f"see ?{KEY}" if q.rdtype == "TXT" else "127.0.0.2",))
            if q.name.startswith("1.")
            else NotFound()
            for q in new
        }

    wait: Callable[[], None] = lambda: None  # noqa: E731
    result = sweep(FLEET, [keyed], {"spamhaus": KEY}, {}, ask, ask, wait)
    assert all(KEY in q.name for q in asked)
    assert isinstance(result.verdicts[FLEET[0], "zen"], Listed)
    assert KEY not in repr(result)


def test_lists_without_their_key_and_retired_lists_are_not_probed() -> None:
    abusix = replace(BL, name="abusix", key="abusix", keyed_zone="{key}.bl.example", key_required=True)
    sorbs = replace(BL, name="sorbs", status=ListStatus.RETIRED, message="shut down")
    world = World()
    world.put("127.0.0.2", ZEN, "127.0.0.2")
    healths = probe_blocklists([ZEN, abusix, sorbs], {}, world.ask, "r4nd0m")
    assert [(h.list_name, h.healthy) for h in healths] == [("zen", True)]
    assert len(world.rounds[0]) == 3


@pytest.mark.parametrize(("six", "believed_for"), [(True, ["zen"]), (False, [])], ids=["passes", "fails"])
def test_ipv6_is_asked_only_where_the_ipv6_test_points_passed(six: bool, believed_for: list[str]) -> None:
    both = replace(ZEN, ipv6=True)
    world = World()
    world.put("127.0.0.2", both, "127.0.0.2")
    if six:
        world.put("::ffff:7f00:2", both, "127.0.0.2")
    (health,) = probe_blocklists([both], {}, world.ask, "r4nd0m")
    assert (health.healthy, health.ipv6) == (True, six)
    lists = believed([both], {"zen"}, {"zen"} if health.ipv6 else set())
    assert [x.name for x in lists if x.ipv6] == believed_for
