"""A fleet of 1,000 IPs on 20 hosts, as a fleet file."""

import yaml

HOSTS = 20
RANGES = (("192.0.2.1", 250), ("198.51.100.1", 250), ("203.0.113.1", 250), ("2001:db8::1", 250))
"""The addresses that are set aside for documentation: nothing here could reach anybody."""


def fleet_file() -> str:
    """One tenant, one stream, one MailWizz; all IPs are active."""
    names = [f"mta-{n}" for n in range(1, HOSTS + 1)]
    share = HOSTS // len(RANGES)
    ranges = [
        {
            "first": first,
            "count": count,
            "hostname": f"mail{{n}}.r{number}.atlas-mail.example",
            "domain": f"{{prefix}}{{n}}.r{number}.atlas-mail.example",
            "prefixes": ["news", "info"],
            "vmta": f"atlas-{number}-{{n}}",
            "hosts": names[number * share : (number + 1) * share],
            "mailwizz_first_server_id": 1000 + 300 * number,
            "dkim": {"selector": "s1", "key_path": "/etc/pmta/dkim/{domain}.pem"},
            "states": {"active": f"1-{count}"},
        }
        for number, (first, count) in enumerate(RANGES)
    ]
    stream = {
        "name": "newsletter", "purpose": "weekly newsletter", "consent": "double opt-in", "risk_class": "standard",
        "pool": "atlas-newsletter", "mailwizz": "mw-atlas", "schedule": "six_week", "daily_target": 5000, "ips": ranges,
    }  # fmt: skip
    tenant = {
        "name": "atlas", "title": "Atlas Retail", "mode": "act", "daily_quota": 5_000_000,
        "brand_domains": ["atlas.example"], "streams": [stream],
    }  # fmt: skip
    instance = {
        "name": "mw-atlas", "tenant": "atlas", "api_connection": "mailwizz_api_mw-atlas",
        "db_connection": "mailwizz_db_mw-atlas", "addresses": ["192.0.2.254"],
    }  # fmt: skip
    hosts = [{"name": name, "connection": f"powermta_{name}", "version": "5.0r5"} for name in names]
    return yaml.safe_dump(
        {"version": 1, "mta_hosts": hosts, "mailwizz": [instance], "tenants": [tenant]}, sort_keys=False
    )
