"""Airflow itself finds the five connection types, draws their forms and can test each of them."""

import importlib
import inspect
from typing import Any

import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

from email_engine_airflow.get_provider_info import get_provider_info

FIELDS = {
    "powermta": ["host_key", "private_key", "private_key_file", "pmta_command", "keys_login", "keys_private_key", "keys_private_key_file", "connect_timeout", "command_timeout"],
    "mailwizz": ["auth", "private_key", "more_api_keys", "timeout"],
    "mailwizz_db": ["dialect", "table_prefix", "charset", "ssl_ca", "ssl_verify", "ssl_disabled"],
    "dns_resolver": ["nameservers", "timeout", "tries", "in_flight"],
    "telegram_alerts": ["chat_id", "thread_id", "base_url"],
}  # fmt: skip
SECRETS = {
    ("powermta", "private_key"), ("powermta", "keys_private_key"), ("mailwizz", "private_key"), ("mailwizz", "more_api_keys"),
}  # fmt: skip
TYPES = {entry["connection-type"]: entry for entry in get_provider_info()["connection-types"]}
every_type = pytest.mark.parametrize("name", FIELDS)


@pytest.fixture(scope="module")
def forms() -> dict[str, Any]:
    return {
        form.connection_type: form
        for form in HookMetaService.hook_meta_data()
        if form.connection_type in FIELDS
    }


def test_the_package_is_a_provider_by_its_entry_point() -> None:
    assert "email-engine" in ProvidersManager().providers
    assert set(TYPES) == set(FIELDS)


@every_type
def test_the_form_has_the_fields(forms: dict[str, Any], name: str) -> None:
    assert list(forms[name].extra_fields) == FIELDS[name]
    for field in forms[name].extra_fields.values():
        assert field["schema"]["title"]
        assert field["description"]


@every_type
def test_secrets_are_password_fields_and_nothing_else_is(forms: dict[str, Any], name: str) -> None:
    hidden = {
        (name, k) for k, f in forms[name].extra_fields.items() if f["schema"].get("format") == "password"
    }
    assert hidden == {(kind, field) for kind, field in SECRETS if kind == name}


@pytest.mark.parametrize(
    ("name", "field", "title"),
    [("mailwizz", "password", "API key"), ("mailwizz_db", "url_schema", "Database"),
     ("telegram_alerts", "password", "Bot token"), ("powermta", "login", "User"),
     ("dns_resolver", "host", "Name server")],
)  # fmt: skip
def test_standard_fields_say_what_they_hold(forms: dict[str, Any], name: str, field: str, title: str) -> None:
    assert getattr(forms[name].standard_fields, field).title == title


@every_type
def test_the_hook_imports_and_can_be_tested(name: str) -> None:
    module, _, class_name = TYPES[name]["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), class_name)
    assert (hook.conn_type, hook.hook_name) == (name, TYPES[name]["hook-name"])
    assert callable(hook.test_connection)
    parameters = inspect.signature(hook.__init__).parameters
    assert hook.conn_name_attr in parameters
    known = ProvidersManagerTaskRuntime().hooks[name]
    assert known is not None
    assert known.connection_testable


def test_the_notifier_is_where_the_metadata_says() -> None:
    (path,) = get_provider_info()["notifications"]
    module, _, class_name = path.rpartition(".")
    assert hasattr(importlib.import_module(module), class_name)
