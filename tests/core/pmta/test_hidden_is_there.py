"""Whoever asks a host's file whether a virtual MTA is gone, must be held or may run takes what it may hide as there."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from email_engine.adapters.powermta_health import _spools
from email_engine.adapters.powermta_holds import HeldSource
from email_engine.errors import Refused
from email_engine.fleet.model import Mode
from email_engine.pipelines.brakes.halves import Files
from email_engine.pipelines.pmta_config_deploy.standstill import standstill
from email_engine.pmta.config.deploy_policy import deploy_policy
from tests.core.pmta.records import record

STILL, RUNS = record(1, state="quarantine"), record(2)
GONE = HeldSource("aurora-7", "198.51.100.7")


def vmta(number: int, end: str = "</virtual-mta>\n") -> str:
    return f"<virtual-mta aurora-{number}>\n  smtp-source-host 198.51.100.{number} m\n{end}"


BOTH = vmta(1) + vmta(2)


@pytest.mark.parametrize(
    ("text", "held", "free"),
    [
        (BOTH, {"aurora-1"}, {"aurora-2"}),
        (vmta(2, "</virtual-mta >\n") + vmta(1), {"aurora-1"}, {"aurora-2"}),
        (vmta(2, "") + vmta(1), {"aurora-1", "aurora-7"}, {"aurora-2"}),
        (vmta(2), set(), {"aurora-2"}),
        (vmta(2) + "include more\n", {"aurora-1", "aurora-7"}, {"aurora-2"}),
        ("include more\n", {"aurora-1", "aurora-7"}, set()),
        (BOTH + vmta(7), {"aurora-1", "aurora-7"}, {"aurora-2"}),
        (BOTH + vmta(7).replace("100.7", "100.8"), {"aurora-1"}, {"aurora-2"}),
        (BOTH + vmta(7).replace(" m\n", " m\n  smtp-source-host 198.51.100.8 n\n"), {"aurora-1", "aurora-7"}, {"aurora-2"}),
    ],
    ids=["plain", "blank in a tag", "not closed", "not there", "an include", "an include alone", "left the fleet", "heir", "two sources"],
)  # fmt: skip
def test_who_must_be_held_and_who_may_run(text: str, held: set[str], free: set[str]) -> None:
    found = standstill([STILL, RUNS], {"aurora": Mode.ACT}, [GONE], text, deploy_policy())
    assert {one.vmta for one in found.held} == held
    assert {one.vmta for one in found.free} == free


@dataclass
class Host:
    """Of PowerMTA only what is asked here; it shows no settings of any virtual MTA."""

    text: str
    asked: list[str] = field(default_factory=list)

    def read(self, path: str) -> bytes:
        return self.text.encode()

    def disabled_sources(self) -> tuple[()]:
        return ()

    def vmta_settings(self, vmta: str) -> dict[str, Any]:
        self.asked.append(vmta)
        raise Refused("pmta", "unknown command", "settings", "none")


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        (BOTH, False),
        (vmta(2, "</virtual-mta >\n") + vmta(1), False),
        (BOTH.replace("smtp-source-host", "smtp-source-host 198.51.100.99 n\n  SMTP-source-host"), False),
        (vmta(2), True),
        (vmta(2, ""), False),
        (vmta(2) + "include more\n", False),
        (vmta(2) + "</virtual-mta>\n", False),
        (BOTH.replace("100.1", "100.3"), True),
        ("", True),
    ],
    ids=["there", "blank in a tag", "second source", "gone", "not closed", "an include", "closes nothing", "heir", "no file"],
)  # fmt: skip
def test_a_brake_ends_only_where_the_file_surely_lacks_it(text: str, lacks: bool) -> None:
    host: Any = Host(text)
    brake: Any = SimpleNamespace(vmta="aurora-1", local_address=STILL.address, config_file="/etc/pmta/x.conf")
    assert Files().lack(host, brake) is lacks
    assert host.asked == (["aurora-1"] if lacks else []), "PowerMTA is asked when the file is sure"


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("<spool /a>\n</spool>\n\t< SPOOL \"/b\" > # second\n</spool >\n", ("/a", "/b")),
        ("# <spool /a>\n<spool /b>\r\n</spool>\r\n", ("/b",)),
        ("<virtual-mta x>\n<spool /a>\n</spool>\n", ("/a",)),
        ("spool /a\n", ("/var/spool/pmta",)),
        ("", ("/var/spool/pmta",)),
    ],
    ids=["spellings", "comment", "not closed before it", "old form", "nothing"],
)  # fmt: skip
def test_spool_folders_are_found(text: str, folders: tuple[str, ...]) -> None:
    host: Any = Host(text)
    assert _spools(host) == folders
