"""No configuration leaves for a host that the linter calls wrong."""

from email_engine.errors import InputError
from email_engine.fleet.model import MtaHost
from email_engine.mta.language.assembly import assemble
from email_engine.mta.language.lint import Severity, lint

NAMED = 5


def require_sound(host: MtaHost, text: str) -> None:
    """Raises InputError with the first errors, by line; warnings pass, an operator's own section may hold some."""
    found = lint(assemble(text, host.config_file), version=host.version)
    errors = [one for one in found if one.severity is Severity.ERROR]
    if errors:
        listed = "; ".join(f"line {one.line}: {one.message} ({one.code})" for one in errors[:NAMED])
        more = f"; and {len(errors) - NAMED} more" if len(errors) > NAMED else ""
        raise InputError(
            f"configuration for {host.name}",
            f"the linter finds {len(errors)} error{'s' if len(errors) > 1 else ''}: {listed}{more}",
            "a configuration without errors",
            "nothing was changed; correct the fleet, the policy or the template that the line comes from "
            "(`email-engine render` and `email-engine lint` show it)",
        )
