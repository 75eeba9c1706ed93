"""`doctor` reads the operator's configuration however it is spelled."""

from typing import Any

import pytest

from email_engine.fleet.model import MtaHost
from email_engine_airflow.doctor.powermta import headers, include_line

HOST = MtaHost("mta-1", "powermta_mta-1")


class Host:
    """The operator's file; the engine's own is empty."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, path: str) -> bytes:
        return self.text.encode() if path == "/etc/pmta/config" else b""


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("include /etc/pmta/email-engine.conf", "ok"),
        ("\tInclude \t/etc/pmta/*.conf  # the engine's", "ok"),
        ('include "/etc/pmta/email-engine.conf"\r', "ok"),
        ("# include /etc/pmta/email-engine.conf", "wrong"),
        ("include /etc/pmta/other.conf", "wrong"),
        ("includes /etc/pmta/email-engine.conf", "wrong"),
    ],
)
def test_the_include_line_is_found(line: str, state: str) -> None:
    host: Any = Host(f"postmaster a@b.example\n{line}\nlog-file /x\n")
    assert include_line(host, HOST, "s").state == state


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("<source 0/0>\n  process-x-virtual-mta yes\n</source >\n", "ok"),
        ("<Source 0/0>\rProcess-X-Virtual-MTA\tTRUE # headers\r</source>\r", "ok"),
        ('<source 0/0>\n process-x-virtual-mta "yes"\n', "ok"),
        ("<source 0/0>\n process-x-virtual-mta no\n</source>\n", "wrong"),
        ("# process-x-virtual-mta yes\n", "wrong"),
        ("include /etc/pmta/more\n", "not seen"),
    ],
)
def test_the_header_switch_is_found(text: str, state: str) -> None:
    host: Any = Host(text)
    assert headers(host, HOST, "s").state == state
