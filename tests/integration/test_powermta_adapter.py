"""The SSH adapter against a real SSH server on loopback."""

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from email_engine.adapters.powermta import PowerMta, PowerMtaEndpoint
from email_engine.errors import AccessDenied, EngineError, HostKeyChanged, InputError, Refused, Unreachable
from tests.integration.ssh_host import SshHost


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    (tmp_path / "etc/pmta").mkdir(parents=True)
    with SshHost(tmp_path) as running:
        yield running


def endpoint(host: SshHost) -> PowerMtaEndpoint:
    return PowerMtaEndpoint(
        "127.0.0.1",
        host.port,
        "pmta",
        host.host_key_text,
        host.private_key_text,
        connect_timeout=5,
        command_timeout=5,
    )


def success(data: object) -> tuple[int, str, str]:
    return 0, json.dumps({"status": "success", "message": "", "data": data}), ""


class TestConnecting:
    def test_a_host_with_the_pinned_key_is_spoken_to(self, host: SshHost) -> None:
        host.answer = lambda command: success({"mta": {"product": {"name": "PowerMTA", "version": "5.0r5"}}})
        with PowerMta(endpoint(host)) as mta:
            assert mta.version() == "5.0r5"
        assert host.commands == ["pmta --json show version"]
        assert len(host.logins) == 1

    @pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa"])
    def test_another_host_key_stops_before_any_login(self, host: SshHost, kind: str) -> None:
        other = asyncssh.generate_private_key(kind).export_public_key().decode()
        with (
            pytest.raises(HostKeyChanged, match="SHA256") as caught,
            PowerMta(replace(endpoint(host), host_key=other)),
        ):
            pass
        assert host.logins == []
        assert "nothing was sent" in str(caught.value)

    def test_a_wrong_login_key_is_refused_after_one_attempt(self, host: SshHost) -> None:
        other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        with (
            pytest.raises(AccessDenied, match="authorized_keys") as caught,
            PowerMta(replace(endpoint(host), private_key=other)),
        ):
            pass
        assert "PRIVATE" not in str(caught.value)
        assert len(host.logins) == 1

    def test_a_host_that_is_down_is_named(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        key = asyncssh.generate_private_key("ssh-ed25519")
        dead = PowerMtaEndpoint(
            "127.0.0.1", port, "pmta", key.export_public_key().decode(), key.export_private_key().decode()
        )
        with pytest.raises(Unreachable, match=f"127.0.0.1:{port}.*refused"), PowerMta(dead):
            pass

    def test_a_port_that_never_speaks_is_given_up_in_time(self, host: SshHost) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            silent = replace(endpoint(host), port=mute.getsockname()[1], connect_timeout=0.5)
            with pytest.raises(Unreachable, match="handshake"), PowerMta(silent):
                pass

    def test_a_handshake_that_takes_too_long_is_told_with_its_knob(self, host: SshHost) -> None:
        with socket.create_server(("127.0.0.1", 0)) as slow:
            silent = replace(endpoint(host), port=slow.getsockname()[1], connect_timeout=0.5)
            greeted: list[socket.socket] = []

            def greet() -> None:
                greeted.append(slow.accept()[0])
                greeted[0].sendall(b"SSH-2.0-busy\r\n")

            greeter = threading.Thread(target=greet)
            greeter.start()
            with pytest.raises(Unreachable, match=r"longer than 0\.5 s.*connect_timeout"), PowerMta(silent):
                pass
            greeter.join(10)
            greeted[0].close()

    @pytest.mark.parametrize(
        ("field", "value", "says"),
        [
            ("host_key", "nonsense", "host_key"),
            ("host_key", "ssh-ed25519 !!!", "host_key"),
            ("host_key", "", "host_key"),
            ("private_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n", "private_key"),
        ],
    )
    def test_unreadable_keys_are_input_errors_without_the_key(
        self, host: SshHost, field: str, value: str, says: str
    ) -> None:
        with (
            pytest.raises(InputError, match=says) as caught,
            PowerMta(replace(endpoint(host), **{field: value})),
        ):
            pass
        assert "secret" not in str(caught.value)
        assert host.logins == []

    def test_the_key_is_in_no_representation(self, host: SshHost) -> None:
        shown = repr(endpoint(host)) + repr(PowerMta(endpoint(host)))
        assert "PRIVATE" not in shown


class TestCommands:
    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (
                (
                    0,
                    '{"status":"error","message":"Error in line 11 of /etc/pmta/config: argument missing"}',
                    "",
                ),
                "line 11",
            ),
            ((1, '{"status":"success","data":{}}', ""), "status success"),
            ((1, "", "pmta: cannot connect to pmtad"), "cannot connect"),
            ((0, "Error in line 3 of /etc/pmta/config: unknown directive", ""), "line 3"),
            ((127, "", "sh: pmta: not found"), "pmta_command"),
            ((0, '{"status":"succ', ""), "breaks off"),
        ],
        ids=["status", "exit", "stderr", "text", "absent", "half"],
    )
    def test_anything_but_success_is_refused_in_its_own_words(
        self, host: SshHost, answer: tuple[int, str, str], says: str
    ) -> None:
        host.answer = lambda command: answer
        with PowerMta(endpoint(host)) as mta, pytest.raises(Refused, match=says):
            mta.test_config()

    def test_a_host_without_json_is_asked_in_xml(self, host: SshHost) -> None:
        xml = "<rsp><data><queue><name>gmail.com/a-1</name><rcp>7</rcp><paused>1</paused></queue></data><succ/></rsp>"
        host.answer = lambda command: (0, xml, "") if "--xml" in command else (1, "", "unknown option --json")
        with PowerMta(endpoint(host)) as mta:
            (queue,) = mta.queues("*/a-1")
        assert (queue.name, queue.recipients, queue.paused) == ("gmail.com/a-1", 7, True)

    def test_paused_is_asked_for_where_the_listing_is_silent(self, host: SshHost) -> None:
        def answer(command: str) -> tuple[int, str, str]:
            names = ["b.com/v-1"] if "--paused" in command else ["a.com/v-1", "b.com/v-1"]
            return success({"queues": [{"name": n, "rcp": 1} for n in names]})

        host.answer = answer
        with PowerMta(endpoint(host)) as mta:
            assert [q.paused for q in mta.queues("*/v-1")] == [False, True]

    @pytest.mark.parametrize("name", ["v 1", "v;reboot", "$(x)", "-v", "v\n", "a/b", "", "{default}"])
    def test_a_name_that_a_shell_could_misread_is_never_sent(self, host: SshHost, name: str) -> None:
        with PowerMta(endpoint(host)) as mta, pytest.raises(InputError):
            mta.pause(name)
        assert host.commands == []

    def test_a_command_that_hangs_is_given_up_in_time(self, host: SshHost) -> None:
        host.hang = True
        with (
            PowerMta(replace(endpoint(host), command_timeout=0.5)) as mta,
            pytest.raises(Unreachable, match=r"0\.5 s"),
        ):
            mta.reload()

    def test_large_answers_on_both_streams_arrive_whole(self, host: SshHost) -> None:
        host.answer = lambda command: (0, "o" * 3_000_000, "e" * 1_000_000)
        with PowerMta(endpoint(host)) as mta:
            result = mta.pmta("list")
        assert (len(result.stdout), len(result.stderr)) == (3_000_000, 1_000_000)

    @pytest.mark.parametrize(
        ("queue_paused", "sources", "holds", "free"),
        [
            (True, [{"ip": "198.51.100.1", "queue": "*/v-1"}], True, False),
            (False, [{"ip": "198.51.100.1", "queue": "*/v-1"}], False, False),
            (True, [], False, False),
            (True, [{"ip": "198.51.100.1", "queue": "*/v-2"}], False, False),
            (True, [{"ip": "198.51.100.1", "queue": "gmail.com/v-1"}], False, False),
            (False, [], False, True),
        ],
        ids=["holds", "queue runs", "source runs", "another vmta", "one provider only", "free"],
    )
    def test_a_hold_counts_only_when_reading_back_shows_it(
        self, host: SshHost, queue_paused: bool, sources: list[dict[str, str]], holds: bool, free: bool
    ) -> None:
        def answer(command: str) -> tuple[int, str, str]:
            if "show queues" in command:
                return success({"queues": [{"name": "gmail.com/v-1", "rcp": 5, "paused": queue_paused}]})
            return success({"sources": sources} if "disabled" in command else {})

        host.answer = answer
        with PowerMta(endpoint(host)) as mta:
            held = mta.hold("198.51.100.1", "v-1")
        assert (held.holds, held.free, held.recipients) == (holds, free, 5)
        assert host.commands[:2] == [
            "pmta --json pause queue '*/v-1'",
            "pmta --json disable source 198.51.100.1 '*/v-1'",
        ]


class TestFiles:
    PATH = "/etc/pmta/email-engine.conf"

    def test_a_file_is_replaced_whole_with_a_tight_mode(self, host: SshHost) -> None:
        data = b"# x\n" * 200_000
        with PowerMta(endpoint(host)) as mta:
            assert mta.read(self.PATH) is None
            mta.replace(self.PATH, b"old")
            mta.replace(self.PATH, data)
            assert mta.read(self.PATH) == data
            assert [f.name for f in mta.listdir("/etc/pmta")] == ["email-engine.conf"]
            assert mta.listdir("/nowhere") == ()
            mta.remove(self.PATH)
            mta.remove(self.PATH)
        assert not (host.root / "etc/pmta/email-engine.conf").exists()

    def test_the_mode_is_0640(self, host: SshHost) -> None:
        with PowerMta(endpoint(host)) as mta:
            mta.replace(self.PATH, b"old")
        assert stat.S_IMODE(os.stat(host.root / "etc/pmta/email-engine.conf").st_mode) == 0o640

    def test_a_missing_directory_is_named(self, host: SshHost) -> None:
        with PowerMta(endpoint(host)) as mta, pytest.raises(Refused, match=r"/etc/other/x\.conf"):
            mta.replace("/etc/other/x.conf", b"")

    @pytest.mark.parametrize("path", ["etc/x", "/etc/../x", "/etc/x\n"])
    def test_a_path_that_could_lead_elsewhere_is_refused(self, host: SshHost, path: str) -> None:
        with PowerMta(endpoint(host)) as mta, pytest.raises(EngineError, match="absolute path"):
            mta.read(path)
