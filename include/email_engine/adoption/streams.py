"""Pools to streams: in the fleet an IP has one stream, a stream one pool."""

from collections.abc import Iterable

from email_engine.adoption.draft import Blank, StreamDraft, Text
from email_engine.adoption.gaps import Gaps, printable, shown, tag_shown
from email_engine.adoption.owners import stem
from email_engine.adoption.reading import KEY_LIST, POOL, VMTA, Configuration, Found
from email_engine.fleet import names
from email_engine.fleet.model import IpState

_READ = frozenset({"virtual-mta", "domain-key"})


def _members_of(pool: Found, vmtas: Iterable[str], gaps: Gaps) -> list[str]:
    """Names in it, each once; of `NAME weight 100` the name, since nothing else can be meant. A name in another case than the only
    virtual MTA of that name is taken for it, and told."""
    spelled: dict[str, list[str]] = {}
    for name in vmtas:
        spelled.setdefault(name.lower(), []).append(name)
    found: dict[str, None] = {}
    for setting in pool.settings:
        if setting.name != "virtual-mta" or not setting.value:
            continue
        name = setting.value.split()[0].strip('"')
        others = spelled.get(name.lower(), [])
        if name not in others and len(others) == 1:
            text = f"{tag_shown(POOL, pool.name)} virtual-mta {name}"
            why = f"{printable(others[0])} in another case, and taken for it; whether PowerMTA does so is not documented"
            gaps.add(setting.place, text, why, f"write {printable(others[0])}")
            name = others[0]
        found[name] = None
    return list(found)


def choose_pools(configuration: Configuration, gaps: Gaps) -> dict[str, str]:
    """The pool of each virtual MTA that has one: of several the smallest, which says most."""
    pools, vmtas = configuration.blocks[POOL], configuration.blocks[VMTA]
    by_member: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for pool in pools.values():
        members = _members_of(pool, vmtas, gaps)
        sizes[pool.name] = len(members)
        _leftovers(pool, members, vmtas, gaps)
        for member in members:
            by_member.setdefault(member, []).append(pool.name)
    chosen: dict[str, str] = {}
    lost: dict[str, dict[str, list[str]]] = {}
    for name in (name for name in vmtas if name in by_member):
        chosen[name] = min(by_member[name], key=sizes.__getitem__)
        for one in by_member[name]:
            if one != chosen[name]:
                lost.setdefault(one, {}).setdefault(chosen[name], []).append(name)
    for one, others in lost.items():
        for other, members in others.items():
            why = f"{_some(members)} also stand in {printable(other)}, the smaller one, and have their stream there"
            todo = (
                "an IP has one stream and one pool: decide whose it is, and point the others' mail elsewhere"
            )
            gaps.add(pools[one].place, tag_shown(POOL, one), why, todo)
    used = set(chosen.values())
    for pool in pools.values():
        if pool.name not in used and pool.name not in lost:
            why = "no virtual MTA of this configuration stands in it: there is no stream to make of it"
            gaps.add(pool.place, tag_shown(POOL, pool.name), why, "remove it, or name its members")
        elif pool.name not in used:
            why = "all its members have their stream in another pool: it is not in the draft"
            gaps.add(
                pool.place,
                tag_shown(POOL, pool.name),
                why,
                "who names it (MailWizz, sources) must name another",
            )
    return chosen


def _some(those: list[str]) -> str:
    named = ", ".join(those[:3]) + (f" and {len(those) - 3} more" if len(those) > 3 else "")
    return printable(named)


def _leftovers(pool: Found, members: Iterable[str], vmtas: Iterable[str], gaps: Gaps) -> None:
    text = tag_shown(POOL, pool.name)
    if unknown := [member for member in members if member not in vmtas]:
        gaps.add(
            pool.place,
            text,
            f"names {_some(unknown)}, which this configuration does not have",
            "remove the line",
        )
    for setting in pool.settings:
        if setting.right and setting.name not in _READ:
            why = f"the engine writes no {setting.name} into a pool"
            todo = "caps stand in each virtual MTA; does the pool work without it?"
            gaps.add(setting.place, f"{text} {shown(setting.name, setting.value)}", why, todo)
        elif setting.right and setting.name == "domain-key":
            why = "the engine writes keys into virtual MTAs; members without a key of their own get its selector and path"
            gaps.add(
                setting.place, f"{text} domain-key {setting.value}", why, "give each IP its sending domain"
            )
    for pattern in dict.fromkeys(pattern for pattern, _ in pool.domains):
        said = ", ".join(dict.fromkeys(s.name for p, s in pool.domains if p == pattern))
        why = f"says {printable(said)} for all members; the engine writes no <domain> into pools"
        todo = "include/config/deploy.yaml says it for every virtual MTA instead"
        gaps.add(pool.place, f"{text} <domain {pattern}>", why, todo)


def note_global_keys(configuration: Configuration, gaps: Gaps) -> None:
    """Keys that hold for every virtual MTA, and key lists."""
    for key in (s for s in configuration.settings if s.name == "domain-key" and s.right):
        why = "the engine writes keys into virtual MTAs; those without one get its selector and path in the draft"
        todo = "it may stay in your own configuration; give each IP its sending domain"
        gaps.add(key.place, f"domain-key {key.value}", why, todo)
    for keys in configuration.blocks[KEY_LIST].values():
        why = "the fleet has one key for an IP; mail picks from a list by X-DKIM-Options"
        gaps.add(keys.place, tag_shown(KEY_LIST, keys.name), why, "it may stay in your own configuration")
        for key in keys.all("domain-key"):
            gaps.add(
                key.place,
                f"domain-key {key.value}",
                f"stands in the list {printable(keys.name)}",
                "as for the list",
            )


class Streams:
    """Streams of one tenant, made as virtual MTAs ask for them; `foreign`: pools that are another tenant's."""

    def __init__(
        self,
        tenant: Text,
        configuration: Configuration,
        chosen: dict[str, str],
        foreign: frozenset[str],
        gaps: Gaps,
    ) -> None:
        self._tenant = tenant
        self._foreign = foreign
        self._configuration = configuration
        self._chosen = chosen
        self._gaps = gaps
        self._made: dict[str, StreamDraft] = {}
        self._warm = {
            setting.value: vmta.name
            for vmta in configuration.blocks[VMTA].values()
            for setting in vmta.all("cold-virtual-mta")
        }
        self._kin: dict[str, set[str]] = {}
        for name, pool in chosen.items():
            self._kin.setdefault(stem(name), set()).add(pool)

    @property
    def made(self) -> list[StreamDraft]:
        return [stream for stream in self._made.values() if stream.senders]

    @property
    def pools(self) -> set[str]:
        """Pools of the configuration that became a stream with IPs in it."""
        return {pool for pool, stream in self._made.items() if stream.senders}

    def of(self, vmta: Found, tenants_pools: list[str]) -> tuple[StreamDraft, IpState | Blank]:
        """The stream of a virtual MTA, and its state as far as the configuration shows."""
        pool = self._chosen.get(vmta.name)
        if vmta.name in self._warm:
            state: IpState | Blank = Blank(
                f"warming? It is the cold one of {printable(self._warm[vmta.name])}"
            )
        elif pool is not None or not tenants_pools:
            state = IpState.ACTIVE
        else:
            state = Blank("in no pool today: active puts it into this stream's, warming and standby do not")
        if pool is None:
            pool = self._nearest(vmta.name, tenants_pools)
        return self._stream(pool), state

    def _nearest(self, name: str, pools: list[str]) -> str:
        warm = self._warm.get(name, "")
        if warm in self._chosen:
            return self._chosen[warm]
        kin = self._kin.get(stem(name), set()) & set(pools)
        if len(kin) == 1:
            return next(iter(kin))
        return pools[0] if len(pools) == 1 else ""

    def _stream(self, pool: str) -> StreamDraft:
        if pool not in self._made:
            self._made[pool] = self._new(pool)
        return self._made[pool]

    def _new(self, pool: str) -> StreamDraft:
        if not pool:
            hint = "a name for the stream, such as newsletter; its virtual MTAs are in no pool today"
            return StreamDraft(Blank(hint), Blank("a name for its pool"))
        if pool in self._foreign:
            mine = self._tenant if isinstance(self._tenant, str) else "the tenant without a name"
            why = (
                f"has virtual MTAs of {printable(mine)} and of another tenant, whose pool it is in the draft"
            )
            todo = f"make a pool of its own for the IPs of {printable(mine)}, here and wherever it is named"
            self._gaps.add(self._configuration.blocks[POOL][pool].place, tag_shown(POOL, pool), why, todo)
            hint = f"a pool of its own: {printable(pool)} is another tenant's"
            return StreamDraft(Blank("a name for the stream"), Blank(hint))
        name = pool.removeprefix(f"{self._tenant}-") or pool
        taken = [stream.name for stream in self._made.values()]
        if names.name(pool) is not None or pool in self._configuration.blocks[VMTA]:
            found = self._configuration.blocks[POOL][pool]
            clash = pool in self._configuration.blocks[VMTA]
            why = (
                "is the name of a virtual MTA too"
                if clash
                else f"the engine takes no such name; allowed: {names.name(pool)}"
            )
            self._gaps.add(found.place, tag_shown(POOL, pool), why, "rename it here and wherever it is named")
            return StreamDraft(Blank("a name for the stream"), Blank(f"the new name of {printable(pool)}"))
        free = [one for one in (name, pool) if names.name(one) is None and one not in taken]
        return StreamDraft(free[0] if free else Blank("a name for the stream"), pool)
