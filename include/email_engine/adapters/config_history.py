"""The history of every host's configuration: a bare git repository that only ever grows.

`HOST/email-engine.conf` a host, one commit a deployment, a tag `deployment-ID` on it: `git log -p mta-1`,
`git show deployment-12`, `git diff deployment-3 deployment-12`. Secrets are hidden before anything enters it. What is
in it is known by the tags, and the branch moves only when a deployment is whole, so a writer may be killed anywhere. Table `deployments` holds the same texts; the mirror stays
because people read and compare configurations with git when the database is the very thing that is away."""

import contextlib
import fcntl
import os
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dulwich.errors import FileFormatException, NotGitRepository
from dulwich.file import FileLocked
from dulwich.object_store import DiskObjectStore
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from email_engine.errors import Refused
from email_engine.pmta.config.history import (
    ENGINE,
    FILE_NAME,
    RESTORED,
    ConfigVersion,
    applied_message,
    found_message,
    identity,
    read_trailers,
    restored_message,
)
from email_engine.pmta.config.layout import digest
from email_engine.pmta.language.redaction import redact

BRANCH: Final = Ref(b"refs/heads/main")
WAIT = 30.0
"""Seconds that a second writer waits for the first."""
_BROKEN = (
    OSError,
    KeyError,
    ValueError,
    AssertionError,
    NotGitRepository,
    FileFormatException,
    FileLocked,
    zlib.error,
)


class OtherHistory(Refused):
    """The repository holds deployments that the database does not know."""


class ConfigHistory:
    """One repository. Made when it is first written to; every method raises Refused when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def missing(self, deployments: Iterable[tuple[int, str]]) -> tuple[int, ...]:
        """Which of (id, status) are not, or not with that status, in the history; ascending.

        Raises OtherHistory if it is that of another database: ids would mean other deployments there."""
        deployments = tuple(deployments)
        with self._open() as repo:
            tags = _tags(repo)
            known = max((int(tag.split("-")[1]) for tag in tags), default=0)
            newest = max((number for number, _ in deployments), default=0)
            if known > newest:
                raise OtherHistory(
                    f"the history of configurations in {self.path}",
                    f"it ends with deployment {known}, the engine's database with {newest or 'none'}",
                    "the history of this database",
                    "was the database restored or made anew? Move the folder away; the next run builds it anew",
                )
            return tuple(sorted(number for number, status in deployments if _tag(number, status) not in tags))

    def record(self, versions: Iterable[ConfigVersion]) -> int:
        """Adds what is missing, in the order given; returns how many deployments were added."""
        added = 0
        with self._open() as repo:
            tags = _tags(repo)
            for version in versions:
                added += _record(repo, version, tags)
        return added

    def keep_foreign(self, host: str, text: str, at: datetime, note: str) -> bool:
        """Keeps a file that the engine is about to replace and did not write; false if the history has it already."""
        with self._open() as repo:
            head = _head(repo)
            kept = redact(text)
            if _text(repo, head, host) == kept:
                return False
            tree = _with_file(repo, head, host, kept)
            message = found_message(host, digest(text), note)
            commit = _commit(repo, head, tree, message, identity("somebody on the host"), at)
            _advance(repo, head, commit)
            return True

    @contextlib.contextmanager
    def _open(self) -> Iterator[Repo]:
        try:
            with self._alone(), self._repository() as repo:
                _tag_head(repo)
                yield repo
        except _BROKEN as error:
            raise Refused(
                f"the history of configurations in {self.path}",
                f"{type(error).__name__}: {error}",
                "a git repository of the engine's own that this worker may write to",
                "see the folder's owner and free space; if it is broken, move it away: the next deployment or "
                "`mta_health` run builds it anew from table deployments",
            ) from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """The lock is the process's own: it ends with it, however that ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(self.path.name + ".lock").open("w") as lock:
            deadline = time.monotonic() + WAIT
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"another writer has it since {WAIT:g} s") from None
                    time.sleep(0.05)
            yield

    def _repository(self) -> Repo:
        if not self.path.exists():
            fresh = self.path.with_name(self.path.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            made = Repo.init_bare(fresh, mkdir=True, default_branch=b"main")
            made.close()
            os.replace(fresh, self.path)
        for left in self.path.rglob("*.lock"):  # of a writer that was killed: ours is the only one now
            left.unlink()
        repo = Repo(str(self.path))
        if isinstance(repo.object_store, DiskObjectStore):
            repo.object_store.fsync_object_files = True
        return repo


def _record(repo: Repo, version: ConfigVersion, tags: set[str]) -> int:
    if _tag(version.deployment, version.status) in tags:
        return 0
    head = tip = _head(repo)
    applied = _tag(version.deployment, "verified")
    if applied in tags:
        tried = ObjectID(repo.refs[_ref(applied)])
    else:
        known = version.previous_digest == _digest_of(repo, head, version.host)
        tree = _with_file(repo, head, version.host, redact(version.text))
        message = applied_message(version, known, digest(redact(version.text)) != version.digest)
        tip = tried = _commit(repo, head, tree, message, version.author, version.at)
    if version.status != "verified":
        before = next(iter(_commit_of(repo, tried).parents), None)
        stands = _text(repo, tip, version.host)
        if stands == _text(repo, tried, version.host):
            stands = _text(repo, before, version.host)
        tree = _with_file(repo, tip, version.host, stands)
        tip = _commit(repo, tip, tree, restored_message(version), version.author, version.at)
    _advance(repo, head, tip)
    tags |= _tag_head(repo)
    return 1


def _tag(deployment: int, status: str) -> str:
    return f"deployment-{deployment}" + ("" if status == "verified" else "-taken-back")


def _ref(tag: str) -> Ref:
    return Ref(b"refs/tags/" + tag.encode())


def _tags(repo: Repo) -> set[str]:
    return {name.decode() for name in repo.refs.subkeys(Ref(b"refs/tags/"))}


def _tag_head(repo: Repo) -> set[str]:
    """The tags of the newest deployment, made where a writer was killed before it could."""
    made: set[str] = set()
    commit = _head(repo)
    while commit is not None and len(made) < 2:
        told = read_trailers(_commit_of(repo, commit).message.decode())
        if "Deployment" not in told:
            break
        taken_back = told["Result"] == RESTORED
        tag = _tag(int(told["Deployment"]), "rolled_back" if taken_back else "verified")
        if _ref(tag) not in repo.refs:
            repo.refs[_ref(tag)] = commit
        made.add(tag)
        if not taken_back:
            break
        commit = next(iter(_commit_of(repo, commit).parents), None)
    return made


def _head(repo: Repo) -> ObjectID | None:
    return ObjectID(repo.refs[BRANCH]) if BRANCH in repo.refs else None


def _commit_of(repo: Repo, commit: ObjectID) -> Commit:
    found = repo[commit]
    if not isinstance(found, Commit):
        raise ValueError(f"{commit.decode()} is no commit")
    return found


def _trees(repo: Repo, commit: ObjectID | None, host: str) -> tuple[Tree, Tree]:
    """The whole tree of a commit and the folder of one host; empty ones where there is none."""
    whole, folder = Tree(), Tree()
    if commit is not None:
        found = repo[_commit_of(repo, commit).tree]
        whole = found if isinstance(found, Tree) else whole
        if host.encode() in whole:
            inner = repo[whole[host.encode()][1]]
            folder = inner if isinstance(inner, Tree) else folder
    return whole, folder


def _text(repo: Repo, commit: ObjectID | None, host: str) -> str | None:
    folder = _trees(repo, commit, host)[1]
    if FILE_NAME.encode() not in folder:
        return None
    return repo[folder[FILE_NAME.encode()][1]].as_raw_string().decode("utf-8", "replace")


def _digest_of(repo: Repo, commit: ObjectID | None, host: str) -> str | None:
    text = _text(repo, commit, host)
    return None if text is None else digest(text)


def _with_file(repo: Repo, commit: ObjectID | None, host: str, text: str | None) -> ObjectID:
    """The tree of a commit with one host's file in another version (None: without it)."""
    whole, folder = _trees(repo, commit, host)
    name, where = FILE_NAME.encode(), host.encode()
    if text is not None:
        blob = Blob.from_string(text.encode())
        repo.object_store.add_object(blob)
        folder[name] = (0o100644, blob.id)
    elif name in folder:
        del folder[name]
    if len(folder):
        repo.object_store.add_object(folder)
        whole[where] = (0o040000, folder.id)
    elif where in whole:
        del whole[where]
    repo.object_store.add_object(whole)
    return whole.id


def _commit(
    repo: Repo, parent: ObjectID | None, tree: ObjectID, message: str, author: str, at: datetime
) -> ObjectID:
    made = Commit()
    made.tree, made.parents = tree, [] if parent is None else [parent]
    made.author, made.committer = author.encode(), ENGINE.encode()
    made.author_time = made.commit_time = int(at.astimezone(UTC).timestamp())
    made.author_timezone = made.commit_timezone = 0
    made.encoding, made.message = b"UTF-8", message.encode()
    repo.object_store.add_object(made)
    return made.id


def _advance(repo: Repo, head: ObjectID | None, commit: ObjectID | None) -> None:
    if commit is None or commit == head:
        return
    if head is None:
        done = repo.refs.add_if_new(BRANCH, commit)
    else:
        done = repo.refs.set_if_equals(BRANCH, head, commit)
    if not done:
        raise ValueError("somebody else writes to the branch main")
