"""What every trigger form promises, whichever DAG it belongs to."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from email_engine import forms as core
from email_engine.fleet.names_file import MOST_NAMES
from email_engine.paths import ROOT
from email_engine.pipelines.run import INTERNAL_KEYS
from email_engine_airflow import forms

DAGS = ROOT / "dags"
ALL = sorted(path.stem for path in DAGS.glob("*.py"))
NAMES = {"name": "ips", "host": "hosts", "tenant": "tenants", "instance": "mailwizz"}
FREE = [
    ("delisting", "name"),
    ("delisting", "list"),
    ("delisting", "cause"),
    ("delisting", "owner"),
    ("delisting", "ticket"),
    ("dkim_rotate", "tenant"),
    ("dkim_rotate", "domain"),
    ("dkim_rotate", "reason"),
    ("emergency_stop", "name"),
    ("emergency_stop", "reason"),
    *(
        ("fleet_adopt", key)
        for key in (
            "hosts",
            "mailwizz",
            "tenant",
            "stream",
            "purpose",
            "consent",
            "risk_class",
            "schedule",
            "public",
            "config_file",
        )
    ),
    *(
        ("fleet_onboard", key)
        for key in (
            "tenant",
            "stream",
            "range",
            "hostname",
            "domain",
            "prefixes",
            "host",
            "vmta",
            "selector",
            "key_path",
            "bind_first",
            "mx",
            "rua",
            "consent",
            "mailwizz",
            "schedule",
            "pool",
            "title",
            "brand_domains",
        )
    ),
    ("ip_transition", "name"),
    ("ip_transition", "reason"),
    ("ip_transition", "cause"),
    ("list_hygiene", "instance"),
    ("mailwizz_opens", "instance"),
    ("mailwizz_quota_sync", "instance"),
    ("pmta_config_deploy", "host"),
    ("pmta_config_deploy", "tenant"),
    ("pmta_config_deploy", "reason"),
    ("suppression_sync", "instance"),
]
NAMED = [pair for pair in FREE if pair[1] in NAMES]
FLEET = {
    "tenants": ["aurora"], "streams": ["aurora/newsletter"], "hosts": ["mta-1"], "mailwizz": ["mw-aurora"],
    "ips": ["198.51.100.7"],
}  # fmt: skip


def parsed(name: str) -> DAG:
    dag: DAG = runpy.run_path(str(DAGS / f"{name}.py"))["dag"]
    return dag


@pytest.fixture(scope="module")
def bag() -> dict[str, DAG]:
    found = DagBag(str(DAGS), bundle_path=DAGS, bundle_name="dags-folder")
    assert found.import_errors == {}
    return dict(found.dags)


def strings(dag: DAG) -> list[tuple[str, dict[str, Any]]]:
    schemas = {key: dag.params.get_param(key).schema for key in dag.params}
    return [(key, s) for key, s in schemas.items() if "string" in s["type"] and "enum" not in s]


@pytest.mark.parametrize("name", ALL)
def test_every_text_has_a_length_and_every_list_is_bounded(bag: dict[str, DAG], name: str) -> None:
    dag = bag[name]
    loose = [key for key, s in strings(dag) if "maxLength" not in s and s.get("format") != "date"]
    assert loose == []
    for key in dag.params:
        schema = dag.params.get_param(key).schema
        if "array" in schema["type"]:
            assert schema["maxItems"] == core.MOST_ENTRIES
            assert schema["items"]["maxLength"] <= core.LONGEST_NAME
        if {"integer", "number"} & {*schema["type"]} and not isinstance(schema["type"], str):
            assert "maximum" in schema, key


def test_the_forms_and_the_operators_have_the_same_limits() -> None:
    for limit in ("LONGEST_REASON", "LONGEST_NAME", "MOST_ENTRIES"):
        assert getattr(forms, limit) == getattr(core, limit)


@pytest.mark.parametrize(("name", "key"), FREE)
def test_a_reason_is_asked_for_and_never_filled_in(bag: dict[str, DAG], name: str, key: str) -> None:
    dag = bag[name]
    assert not dag.params.get_param(key).has_value
    # a stop is not refused for the length of its reason, which the run cuts
    most = 10_000 if (name, key) == ("emergency_stop", "reason") else core.longest(key)
    assert dag.params.get_param(key).schema["maxLength"] == most
    assert {k for k, s in strings(dag) if "format" not in s} == {k for n, k in FREE if n == name}


@pytest.mark.parametrize("name", ALL)
def test_no_internal_key_is_shown(bag: dict[str, DAG], name: str) -> None:
    assert set(INTERNAL_KEYS.get(name, ())).isdisjoint(bag[name].params)
    assert not {"only_failed", "approval", "hours"} & set(bag[name].params)


@pytest.mark.parametrize("name", ALL)
def test_its_title_is_words_with_the_id(bag: dict[str, DAG], name: str) -> None:
    title = bag[name].dag_display_name
    assert title.endswith(f" ({name})")
    assert "_" not in title.removesuffix(f"({name})")
    assert len(title) <= 60


def test_no_two_titles_begin_alike(bag: dict[str, DAG]) -> None:
    words = [dag.dag_display_name.split(" (")[0] for dag in bag.values()]
    assert len({word.lower() for word in words}) == len(ALL)
    assert (
        bag["pmta_config_approval"].dag_display_name.split()[0]
        != bag["pmta_config_deploy"].dag_display_name.split()[0]
    )


@pytest.mark.parametrize("name", ALL)
def test_every_task_is_the_engines_own(bag: dict[str, DAG], name: str) -> None:
    assert {task.owner for task in bag[name].tasks} == {"email-engine"}


@pytest.mark.parametrize("name", ALL)
def test_nobody_is_offered_a_backfill_or_an_empty_form(bag: dict[str, DAG], name: str) -> None:
    allowed = {str(kind.value) for kind in bag[name].allowed_run_types or ()}
    assert allowed
    assert not allowed & {"backfill", "asset_materialization"}
    assert {"manual", "operator_triggered"} <= allowed


def test_what_the_deployment_keeps_to_itself_is_folded_and_keeps_its_ids(bag: dict[str, DAG]) -> None:
    dag = bag["pmta_config_deploy"]
    rows = list(dag.task_group.children)
    assert len(rows) <= 8
    assert not {"choose_reduce", "choose_canary", "choose_rest", "choose_ask", "whole"} & set(rows)
    public = {"hosts", "plan", "reduce", "ask", "canary", "watch", "rest", "history", "tell"}
    assert public <= set(dag.task_ids)
    assert dag.task_group.topological_sort()  # folded groups that wait for each other would break the grid
    titles = [group.label for group in dag.task_group.children.values() if hasattr(group, "children")]
    for task in ("reduce", "ask", "canary", "watch", "rest", "history"):
        assert any(task in str(title) for title in titles), task


class TestNames:
    @pytest.fixture
    def names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(tmp_path / "fleet.yaml"))
        return tmp_path / "fleet.names.json"

    @pytest.mark.parametrize(("name", "key"), NAMED)
    def test_the_fleets_names_are_offered(self, names: Path, name: str, key: str) -> None:
        names.write_text(json.dumps(FLEET))
        schema = parsed(name).params.get_param(key).schema
        assert FLEET[NAMES[key]][0] in schema["examples"]
        assert ("aurora/newsletter" in schema["examples"]) is (key == "name")

    @pytest.mark.parametrize(("name", "key"), NAMED)
    @pytest.mark.parametrize("content", [None, "", "{", '{"hosts": 3}', "[" * 50_000, '{"hosts": ["<b>"]}'])
    def test_without_good_names_the_form_stands_all_the_same(
        self, names: Path, name: str, key: str, content: str | None
    ) -> None:
        if content is not None:
            names.write_text(content)
        assert "examples" not in parsed(name).params.get_param(key).schema

    def test_a_giant_fleet_stays_small_in_the_form_and_a_folder_in_its_place_harms_nothing(
        self, names: Path
    ) -> None:
        names.write_text(json.dumps({kind: [f"n{n}" for n in range(3000)] for kind in FLEET}))
        assert len(parsed("pmta_config_deploy").params.get_param("host").schema["examples"]) == MOST_NAMES
        names.unlink()
        names.mkdir()
        assert "examples" not in parsed("pmta_config_deploy").params.get_param("host").schema

    def test_the_same_names_make_the_same_dag(self, names: Path) -> None:
        names.write_text(json.dumps(FLEET))
        first, again = (parsed("emergency_stop").params.dump() for _ in range(2))
        assert first == again


def test_no_variable_of_the_engine_can_remove_a_dag() -> None:
    """Whatever EMAIL_ENGINE_* says, each file parses; only where to find names is read then."""
    script = (
        "import os, runpy, sys\nfor path in sys.argv[1:]:\n    assert runpy.run_path(path)['dag'].dag_id\n"
    )
    garbage = {
        "CONFIRM_AFTER": "1m",
        "WATCH_MINUTES": "ten",
        "FLEET": "/dev/zero",
        "BLOCKLISTS": "x",
        "DEPLOY_POLICY": "?",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *map(str, sorted(DAGS.glob("*.py")))],
        env=os.environ | {f"EMAIL_ENGINE_{key}": value for key, value in garbage.items()},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
