"""What stands on a new host: the operator's own configuration, and an empty file for the engine."""

from pathlib import Path

ENGINE_FILE = "/etc/pmta/email-engine.conf"
LOG_DIRECTORY = "/var/log/pmta"
DONE_DIRECTORY = "/var/log/pmta/done"

_CONFIG = """\
# The operator's own file. email-engine owns only the included one.
postmaster postmaster@lab.example
host-name {name}.lab.example
smtp-listener 127.0.0.1:2525
run-as-root no
log-file /var/log/pmta/pmta.log
http-mgmt-port 8080
http-access 127.0.0.1 admin

<spool /var/spool/pmta>
</spool>

<source 127.0.0.1>
  smtp-service yes
  always-allow-relaying yes
  process-x-virtual-mta yes
  process-x-job yes
  hide-message-source yes
</source>

<source 0/0>
  always-allow-relaying no
  smtp-service no
</source>

include {engine_file}
"""

_ENGINE = "# Written by email-engine. Nothing has been deployed yet.\n"


def furnish(root: Path, name: str) -> None:
    """Creates the directories and, where they are missing, the two configuration files below `root`."""
    for directory in ("/etc/pmta/dkim", "/var/spool/pmta", DONE_DIRECTORY):
        (root / directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
    texts = {"/etc/pmta/config": _CONFIG.format(name=name, engine_file=ENGINE_FILE), ENGINE_FILE: _ENGINE}
    for file, text in texts.items():
        path = root / file.lstrip("/")
        if not path.exists():
            path.write_text(text, encoding="utf-8")
            path.chmod(0o640)
