"""Every record that a fleet needs in DNS: what to publish, what stands there already, and what a person must decide."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from email_engine.dns_answers import Answer, Answers, Question, ResolveMany
from email_engine.dnsauth.model import LONGEST_NAME, Lookup
from email_engine.dnsauth.spf_host import one_loop
from email_engine.fleet.model import Fleet
from email_engine.records.addresses import address_records, ptr_records
from email_engine.records.judged import Judged
from email_engine.records.mail_exchange import mx_records_of
from email_engine.records.model import Choices, DnsRecord, Keys, RecordState, Sender, distinct
from email_engine.records.reporting import dmarc_records_of
from email_engine.records.sender_policy import spf_records
from email_engine.records.signing_keys import dkim_records
from email_engine.records.standing import beside_what_stands
from email_engine.records.units import Setting, Unit, senders_of, setting_of, units_of

MOST_ROUNDS = 40
NO_CHOICES = Choices()
NO_KEYS: Keys = {}


def records_of(
    fleet_or_ips: Fleet | Iterable[Sender],
    keys: Keys = NO_KEYS,
    published: Answers | None = None,
    choices: Choices = NO_CHOICES,
    chosen: Iterable[Sender] | None = None,
) -> tuple[DnsRecord, ...]:
    """The records of a fleet, or of IPs that come to it.

    Args:
        fleet_or_ips: a fleet also tells where bounces come and which domains are brands, which get nothing.
        keys: public keys by (domain, selector); a record whose key is not there is still to be decided.
        published: what DNS holds. None: nobody asked, so everything is to be published as if nothing stood there. What is missing
            from it is unknown; `ask_records` asks until nothing is missing.
        choices: what the operator says beside the fleet.
        chosen: only what belongs to these, and to whatever shares a name with them.

    Raises:
        InputError: a domain or host name that is none.
        BadKey: a key that verifiers cannot use.
    """
    setting, units = _parts(fleet_or_ips, keys, chosen)
    lookup = Lookup(published) if published is not None else None
    with one_loop():
        found = [record for unit in units for record in _of_unit(unit, setting, choices, lookup)]
    return distinct(found)


def ask_records(
    fleet_or_ips: Fleet | Iterable[Sender],
    keys: Keys,
    resolve_many: ResolveMany,
    choices: Choices = NO_CHOICES,
    chosen: Iterable[Sender] | None = None,
) -> tuple[DnsRecord, ...]:
    """As `records_of`, with the answers of `resolve_many`; the questions of all parts travel together, in a few rounds."""
    setting, units = _parts(fleet_or_ips, keys, chosen)
    answers: dict[Question, Answer] = {}
    done: dict[int, tuple[DnsRecord, ...]] = {}
    waiting: Mapping[int, Unit] = dict(enumerate(units))
    for _ in range(MOST_ROUNDS):
        missing: set[Question] = set()
        unfinished: dict[int, Unit] = {}
        with one_loop():
            for number, unit in waiting.items():
                lookup = Lookup(answers)
                done[number] = _of_unit(unit, setting, choices, lookup)
                if lookup.missing:
                    missing |= lookup.missing
                    unfinished[number] = unit
        if not missing:
            break
        answers |= resolve_many(sorted(missing, key=lambda q: (q.name, q.rdtype)))
        waiting = unfinished
    return distinct(record for number in range(len(units)) for record in done[number])


def _parts(
    fleet_or_ips: Fleet | Iterable[Sender], keys: Keys, chosen: Iterable[Sender] | None
) -> tuple[Setting, tuple[Unit, ...]]:
    fleet = fleet_or_ips if isinstance(fleet_or_ips, Fleet) else None
    senders: list[Sender] = list(senders_of(fleet) if fleet else fleet_or_ips)  # type: ignore[arg-type]
    setting = setting_of(fleet, senders, keys)
    return setting, units_of(senders, setting, chosen)


def _of_unit(unit: Unit, setting: Setting, choices: Choices, lookup: Lookup | None) -> tuple[DnsRecord, ...]:
    judged = Judged(lookup, unit.subjects) if lookup is not None else None
    found = [
        *address_records(unit, judged),
        *ptr_records(unit, judged),
        *spf_records(unit, judged),
        *dkim_records(unit, setting, judged),
        *dmarc_records_of(unit, setting, choices, judged),
        *mx_records_of(unit, setting, choices, judged),
    ]
    found = [_short(record) for record in found if record.name not in setting.brands]
    return beside_what_stands(found, lookup) if lookup is not None else distinct(found)


def _short(record: DnsRecord) -> DnsRecord:
    if len(record.name) <= LONGEST_NAME:
        return record
    note = f"a name of {len(record.name)} characters, {LONGEST_NAME} are allowed: a shorter domain is needed"
    return replace(record, value="", state=RecordState.BY_HAND, note=note, replaces=())
