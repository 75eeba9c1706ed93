"""The secrets of docker-compose.yaml: random values, one file each, that only the containers' user reads.

Only the standard library: a host with Docker and Python, and nothing else, can run it.
"""

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

CONTAINER_USER = 50000
"""The user `airflow` of the official image: who the containers are when root made the secrets."""
VARIABLE = "EMAIL_ENGINE_UID"


class SecretsRefused(RuntimeError):
    """Nothing was written; the text says what stands there, what is allowed and what to do."""


def _word() -> str:
    """48 random bytes that need no quoting in a URL, a shell or Redis's configuration."""
    return secrets.token_urlsafe(48)


def _airflow_database() -> dict[str, str]:
    login = f"airflow:{_word()}@postgres:5432/airflow"
    return {
        "airflow_database_url": f"postgresql+psycopg2://{login}",
        "celery_result_backend": f"db+postgresql+psycopg2://{login}",
    }


def _broker() -> dict[str, str]:
    word = _word()
    return {
        "redis_password": word,
        "redis.conf": f"requirepass {word}\n",
        "celery_broker_url": f"redis://:{word}@redis:6379/0",
    }


GROUPS: Mapping[str, Callable[[], dict[str, str]]] = {
    "PostgreSQL's superuser": lambda: {"postgres_password": _word()},
    "Airflow's database": _airflow_database,
    "the engine's database": lambda: {
        "engine_database_url": f"postgresql://email_engine:{_word()}@postgres:5432/email_engine"
    },
    "Redis": _broker,
    "Airflow's connections": lambda: {"fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode()},
    "Airflow's sessions": lambda: {"api_secret_key": _word()},
    "the tokens of tasks": lambda: {"jwt_secret": _word()},
    "the first login": lambda: {"admin_password": secrets.token_urlsafe(12)},
    "hashes of recipients": lambda: {"recipient_key": secrets.token_hex(32)},
}
"""What the values are for -> file name to content. The files of a group hold the same password."""


def make_secrets(folder: Path) -> list[str]:
    """Makes each group of which nothing is there yet; returns the names of the new files. What is there stays.

    Raises SecretsRefused when a group is there in part: its files would no longer hold the same password."""
    made = [make() for make in GROUPS.values()]
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for purpose, files in zip(GROUPS, made, strict=True):
        if lost := sorted(set(files) - present) if present & set(files) else []:
            raise SecretsRefused(
                f"{folder}: {', '.join(lost)} is missing, but {', '.join(sorted(present & set(files)))} is there; "
                f"allowed: all files of {purpose}, or none. Next: put it back from your backup, or delete the others "
                "of them too, so that new ones are made"
            )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    new = {name: text for files in made for name, text in files.items() if name not in present}
    for name, text in new.items():
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    return sorted(new)


def container_user(environment: Path) -> int:
    """Who the containers run as, so that they may read the secrets: the number in `.env`, else the caller (for root the
    image's own user), which is then written there."""
    lines = environment.read_text().splitlines() if environment.exists() else []
    for line in lines:
        name, _, value = line.partition("=")
        if name.strip() == VARIABLE:
            return _user(value.strip().strip("'\""), environment)
    user = os.geteuid() or CONTAINER_USER
    environment.write_text("\n".join([*lines, f"{VARIABLE}={user}", ""]))
    return user


def _user(text: str, environment: Path) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise SecretsRefused(
            f"{environment}: {VARIABLE}={text!r}; allowed: the number of a user who is not root. "
            "Next: write the output of `id -u` there, or take the line out"
        )
    return int(text)


def hand_over(folder: Path, user: int) -> None:
    """Folder and files belong to `user` and to nobody else. Raises SecretsRefused where only root could do that."""
    for path in (folder, *sorted(folder.iterdir())):
        if path.stat().st_uid != user:
            if os.geteuid() != 0:
                raise SecretsRefused(
                    f"{path} belongs to user {path.stat().st_uid}; allowed: {user} ({VARIABLE} in .env), else the "
                    f"containers cannot read it. Next: sudo chown -R {user} {folder}"
                )
            os.chown(path, user, -1)
        path.chmod(0o700 if path is folder else 0o600)
