"""What `make up` stores, so that every connection can be tested and edited in the UI."""

from pathlib import Path

from email_engine.fleet.read import read_fleet
from email_engine.paths import CONFIG
from email_engine_airflow.get_provider_info import get_provider_info
from stack.connections import connections
from stack.postgres import Cluster
from stack.settings import PORTS, Settings


def test_every_connection_has_a_port_and_all_extra_fields_of_its_form(tmp_path: Path) -> None:
    fleet = read_fleet(CONFIG / "fleet.yaml")
    here = Settings(tmp_path, dict(PORTS)).for_fleet(
        [host.name for host in fleet.mta_hosts], [one.name for one in fleet.mailwizz_instances]
    )
    (here.lab / "keys").mkdir(parents=True)
    (here.lab / "client_key").write_text("key")
    for host in fleet.mta_hosts:
        (here.lab / "keys" / f"{host.name}.pub").write_text("ssh-ed25519 AAAA")
    made = connections(here, Cluster(tmp_path / "postgres"), fleet)
    forms = {
        form["connection-type"]: set(form["conn-fields"]) for form in get_provider_info()["connection-types"]
    }
    assert len(made) == 9
    for name, fields in made.items():
        assert fields["port"] > 0, name
        assert set(fields.get("extra", {})) == forms.get(fields["conn_type"], set()), name
        assert fields.get("extra") != {}, "Airflow's import breaks on an empty mapping"
