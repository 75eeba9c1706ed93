"""Private DKIM keys on an MTA host: made there or carried there, read back, removed. Nothing of them is logged or returned.

Two ways: as a restricted SSH user whose forced command is `deploy/email-engine-keys` (the connection names it in `keys_login`): then the
host makes the key itself; else over SFTP, made here in memory."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_session import NEW_SUFFIX, Session
from email_engine.adapters.powermta_ssh import command_line, run
from email_engine.dnsauth.dkim import BadKey, public_key_of
from email_engine.errors import EngineError, NotVerified, Refused

BITS = 2048
MODE = 0o640
STANDS, IN_USE, ABSENT = 3, 4, 6
"""Exit statuses of `deploy/email-engine-keys`."""


class KeyStands(Refused):
    """A key file of that name is there already; it was left as it is."""


def new_key() -> bytes:
    """A private key as PEM (PKCS#8), RSA of 2048 bits."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class HostKeys(Protocol):
    """The key files of one host. Every failure is an EngineError that names it; public keys are p= of their record, base64."""

    makes: bool
    """Can the host make a key itself? Then nothing private leaves it."""

    def public_key(self, path: str) -> str | None:
        """Of the key that stands there; None: no such file. NotVerified: it is no key."""
        ...

    def may_write(self, folder: str) -> None:
        """Refused or AccessDenied where no key can be put there; nothing is left."""
        ...

    def make(self, path: str) -> str:
        """Made on the host. KeyStands: there is one."""
        ...

    def install(self, path: str, pem: bytes) -> str:
        """The key becomes that file, mode 0640, with the group of its folder; what it gives was read back. KeyStands: there is one."""
        ...

    def private_key(self, path: str) -> bytes:
        """To carry it to another host of the same domain. Refused: this way shows no private key."""
        ...

    def remove(self, path: str) -> None:
        """The file is gone afterwards, also where it was not there."""
        ...


@contextlib.contextmanager
def open_keys(mta: PowerMta) -> Iterator[HostKeys]:
    """The way that the host's connection names; a session of its own where that is another login."""
    endpoint = mta.endpoint
    if not endpoint.keys_username:
        yield KeysBySftp(mta)
        return
    login = replace(
        endpoint,
        username=endpoint.keys_username,
        private_key=endpoint.keys_private_key or endpoint.private_key,
    )
    with Session(login) as session:
        yield KeysByCommand(session)


class KeysBySftp:
    """As the engine's own SSH user, which must be allowed to write into the folder."""

    makes = False

    def __init__(self, session: Session) -> None:
        self._session = session

    def public_key(self, path: str) -> str | None:
        pem = self._session.read(path)
        return None if pem is None else _public_half(self._session, path, pem)

    def may_write(self, folder: str) -> None:
        probe = str(PurePosixPath(folder) / f".email-engine{NEW_SUFFIX}")
        try:
            self._session.write(probe, b"may the engine write here?\n", like=folder, mode=MODE)
        finally:
            with contextlib.suppress(EngineError):
                self._session.remove(probe)

    def make(self, path: str) -> str:
        return self.install(path, new_key())

    def install(self, path: str, pem: bytes) -> str:
        wanted = _public_half(self._session, path, pem)
        draft = path + NEW_SUFFIX
        if self._session.exists(path):
            raise _stands(self._session, path)
        if self._session.exists(draft):  # of a run that was killed
            self._session.remove(draft)
        try:
            self._session.write(draft, pem, like=str(PurePosixPath(path).parent), mode=MODE)
            self._session.rename_new(draft, path)
        except FileExistsError:
            raise _stands(self._session, path) from None
        finally:
            with contextlib.suppress(EngineError):
                self._session.remove(draft)
        if self.public_key(path) != wanted:
            raise NotVerified(
                self._session.endpoint.subject, f"{path} holds another key than was sent", "the same public key",
                "find out who writes that file; nothing is signed with it",
            )  # fmt: skip
        return wanted

    def private_key(self, path: str) -> bytes:
        pem = self._session.read(path)
        if pem is None:
            raise Refused(
                self._session.endpoint.subject, f"{path} is not there", "the key of this domain", "rotate it"
            )
        return pem

    def remove(self, path: str) -> None:
        self._session.remove(path + NEW_SUFFIX)
        self._session.remove(path)
        if self._session.exists(path):
            raise NotVerified(
                self._session.endpoint.subject, f"{path} is still there", "no such file", "see who writes it"
            )


class KeysByCommand:
    """As a user that may do this alone."""

    makes = True

    def __init__(self, session: Session) -> None:
        self._session = session

    def public_key(self, path: str) -> str | None:
        status, said, _ = self._say("show-key", path)
        return None if status == ABSENT else _public_half(self._session, path, said)

    def may_write(self, folder: str) -> None:
        """Its command knows no question about a folder: that it answers at all is seen."""
        self._say("show-key", str(PurePosixPath(folder) / "engine-nobody.pem"))

    def make(self, path: str) -> str:
        return _public_half(self._session, path, self._say("make-key", path)[1])

    def install(self, path: str, pem: bytes) -> str:
        wanted = _public_half(self._session, path, pem)
        if _public_half(self._session, path, self._say("install-key", path, pem)[1]) != wanted:
            raise NotVerified(
                self._session.endpoint.subject, f"{path} holds another key than was sent", "the same public key",
                "find out who writes that file; nothing is signed with it",
            )  # fmt: skip
        return wanted

    def private_key(self, path: str) -> bytes:
        raise Refused(
            self._session.endpoint.subject, f"its login for keys does not give {path} away", "a key that stays there",
            "copy it to the other host by hand, or rotate: the new key is made for all hosts of the domain",
        )  # fmt: skip

    def remove(self, path: str) -> None:
        self._say("remove-key", path)

    def _say(self, verb: str, path: str, sent: bytes = b"") -> tuple[int, bytes, str]:
        endpoint = self._session.endpoint
        line = command_line(verb, [path], endpoint.subject)
        done = run(self._session.transport(), line, endpoint.command_timeout, endpoint.subject, sent)
        if done.exit_status in (0, ABSENT) and not (done.exit_status == ABSENT and verb != "show-key"):
            return done.exit_status, done.stdout.encode(), done.stderr
        if done.exit_status == STANDS:
            raise _stands(self._session, path)
        raise Refused(
            endpoint.subject, f"`{verb} {path}` said: {done.words or f'exit status {done.exit_status} and no word'}",
            "exit status 0",
            "a configuration there still names the key: deploy, then try again"
            if done.exit_status == IN_USE
            else "see that the forced command of this login is email-engine-keys and that it may write there (docs/onboarding.md)",
        )  # fmt: skip


def _public_half(session: Session, path: str, pem: bytes) -> str:
    try:
        return public_key_of(pem)
    except BadKey as error:
        raise NotVerified(
            session.endpoint.subject, f"{path}: {error}", "a private RSA key as PEM, without passphrase",
            "look at that file on the host; nothing was changed",
        ) from None  # fmt: skip


def _stands(session: Session, path: str) -> KeyStands:
    return KeyStands(
        session.endpoint.subject, f"{path} is there already", "no file of that name: keys are never overwritten",
        "nothing was done; move it away if nobody signs with it, or take another selector",
    )  # fmt: skip
