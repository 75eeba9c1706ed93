"""Fleets of any kind, and BIND's own opinion about a zone file."""

import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import strategies as st

from email_engine.records.model import Keys
from tests.dkim_keys import KEYS, spki
from tests.fleet_senders import Planned

needs_bind = pytest.mark.skipif(
    shutil.which("named-checkzone") is None, reason="named-checkzone is missing: apt-get install bind9-utils"
)
_HEAD = """$TTL 3600
@ IN SOA ns.hoster.test. hostmaster.hoster.test. 1 7200 900 1209600 900
@ IN NS ns.hoster.test.
"""
_NAMES = st.sampled_from(["news", "post-1", "müller", "пример", "2go", "a" * 63, "letter.shop"])
_TOPS = st.sampled_from(["aurora-mail.example", "bücher.example", "news.co.uk", "例え.jp"])
_KEYS = st.sampled_from([spki(), spki(4096), KEYS["rsa1024"], KEYS["ed25519"], ""])


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[Planned], Keys]:
    """Up to 12 IPs of either family, below one or several domains, with keys of 1024 to 4096 bits, Ed25519, or none."""
    senders: list[Planned] = []
    keys: dict[tuple[str, str], str] = {}
    for n in range(1, draw(st.integers(1, 12)) + 1):
        top = draw(_TOPS)
        domain = f"d{n}.{draw(_NAMES)}.{top}"
        four, six = f"198.51.{draw(st.integers(0, 2))}.{n}", f"2001:db8:{draw(st.integers(0, 3))}::{n:x}"
        hostname = draw(st.sampled_from([f"mail{n}.{top}", domain]))
        selector = draw(st.sampled_from(["s1", "s2026q4", "s1.news"]))
        senders.append(Planned(ip_address(draw(st.sampled_from([four, six]))), hostname, domain, selector))
        if key := draw(_KEYS):
            keys[domain, selector] = key
    return senders, keys


def check_zone(zone: str, text: str, folder: Path, whole: bool) -> str:
    """What `named-checkzone` says; a part is included into a file with SOA and NS, as an operator includes it."""
    part, file = folder / "part.zone", folder / "whole.zone"
    part.write_text(text)
    file.write_text(text if whole else f'{_HEAD}$INCLUDE "{part}"\n')
    done = subprocess.run(
        ["named-checkzone", "-i", "local", "-k", "fail", zone, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "OK" if done.returncode == 0 else done.stdout
