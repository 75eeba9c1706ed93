"""Whose a virtual MTA is that no delivery server names: its pool's, else that of those whose names differ by their number alone."""

from collections.abc import Iterable, Mapping

from email_engine.adoption.ranges import numbered


def kin_owners(
    vmtas: Iterable[str], pools: Mapping[str, str], owners: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Tenant and reason by virtual MTA in lower case, of those that have none in `owners` (tenant by virtual MTA in lower case) and whose
    kin all have the same one. `pools`: the pool of each that has one."""
    names = list(vmtas)
    found: dict[str, tuple[str, str]] = {}
    for kind, why in ((pools.get, "by its pool"), (stem, "by its name")):
        tenants: dict[str, set[str]] = {}
        for name in names:
            group, tenant = kind(name), owners.get(name.lower())
            if group is not None and tenant is not None:
                tenants.setdefault(group, set()).add(tenant)
        for name in names:
            mine = tenants.get(kind(name) or "", set())
            if name.lower() not in owners and len(mine) == 1:
                found.setdefault(name.lower(), (next(iter(mine)), why))
    return found


def stem(name: str) -> str:
    """What kin have in common: the name without its last number."""
    parts = numbered(name)
    return f"{parts[0].rstrip('0')}#{parts[2]}" if parts else name
