"""The scheduler imports what tasks need before it forks the processes that run them (LocalExecutor): a task then begins with
its work. Without it two thirds of the processor time of a short task went into imports. An Airflow listener does it."""

import importlib
import logging
import pkgutil
import sys
import time
from collections.abc import Iterator
from typing import Any

from airflow.listeners import hookimpl

PACKAGES = ("email_engine.pipelines", "email_engine.adapters", "email_engine.store", "email_engine_airflow")
LEFT_OUT = ("email_engine.store.migrations",)
log = logging.getLogger(__name__)
_done: list[str] = []


def names() -> Iterator[str]:
    """Every module of PACKAGES."""
    for package in PACKAGES:
        yield package
        found = pkgutil.walk_packages(
            importlib.import_module(package).__path__, f"{package}.", onerror=lambda _: None
        )
        yield from (module.name for module in found if not module.name.startswith(LEFT_OUT))


def preload() -> list[str]:
    """Imports them; what cannot be imported is left to the task that needs it and will say why. Returns those names."""
    failed = []
    for name in names():
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - the scheduler starts whatever a module is like
            failed.append(name)
            log.warning("%s was not imported beforehand: %s", name, error)
    return failed


@hookimpl
def on_starting(component: Any) -> None:
    """Called by every Airflow process and task that starts; tasks inherit what the scheduler did."""
    if sys.argv[1:2] == ["scheduler"] and not _done:
        _done.append("scheduler")
        began = time.monotonic()
        preload()
        log.info("imported the engine before the first task, in %.1f s", time.monotonic() - began)
