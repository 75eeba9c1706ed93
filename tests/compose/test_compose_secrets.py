"""The secrets of docker-compose.yaml: declared, made by `make secrets`, given to whom reads them, and nowhere else."""

import re
from itertools import chain
from typing import Any

import pytest

from stack.compose.secret_files import GROUPS
from tests.compose.compose_file import FILE, ROOT, load, texts

COMPOSE = load()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
COMMON = SERVICES["airflow-scheduler"]["environment"]
SECRET_FILES = set(chain.from_iterable(make() for make in GROUPS.values()))


def test_secrets_are_declared_used_and_made() -> None:
    declared = COMPOSE["secrets"]
    assert {name: secret["file"] for name, secret in declared.items()} == {
        name: f"./secrets/{name}" for name in SECRET_FILES
    }
    assert {name for service in SERVICES.values() for name in service.get("secrets", [])} == set(declared)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_secrets_that_it_reads_and_no_other(name: str) -> None:
    service = SERVICES[name]
    read = {m for text in texts(service) for m in re.findall(r"/run/secrets/([\w.]+)", text)}
    if module := {"init": "steps.py", "lab-init": "lab.py"}.get(name):
        steps = (ROOT / "stack" / "compose" / module).read_text()
        read |= {secret for secret in SECRET_FILES if f'"{secret}"' in steps}
    assert read == set(service.get("secrets", []))


def test_no_value_of_a_secret_stands_in_the_file() -> None:
    assert not re.search(r"://[^/\s\"']*:[^/\s\"'@]+@", FILE.read_text()), "an address with a password"
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|FERNET|TOKEN|BROKER_URL|CONN|RESULT_BACKEND|RECIPIENT_KEY|DATABASE_URL", key) and (
                key != "AIRFLOW__CORE__TEST_CONNECTION"
                and key != "CONNECTION_CHECK_MAX_COUNT"
            ):  # fmt: skip
                assert key.endswith(("_CMD", "_FILE")), key
                assert re.fullmatch(r"(cat )?/run/secrets/\w+", value), key


def test_what_only_people_may_read_is_a_file_of_the_same_name() -> None:
    """A secret under another's name would start, and fail in the night."""
    pairs = {
        "AIRFLOW__CORE__FERNET_KEY_CMD": "fernet_key",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": "airflow_database_url",
        "AIRFLOW__CELERY__BROKER_URL_CMD": "celery_broker_url",
        "AIRFLOW__CELERY__RESULT_BACKEND_CMD": "celery_result_backend",
        "AIRFLOW__API__SECRET_KEY_CMD": "api_secret_key",
        "AIRFLOW__API_AUTH__JWT_SECRET_CMD": "jwt_secret",
    }
    assert {key: value for key, value in COMMON.items() if key.endswith("_CMD")} == {
        key: f"cat /run/secrets/{name}" for key, name in pairs.items()
    }
