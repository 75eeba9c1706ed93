"""No configuration leaves for a host that the linter calls wrong."""

from email_engine.errors import InputError
from email_engine.fleet.model import MtaHost
from email_engine.mta.language.assembly import assemble
from email_engine.mta.language.lint import Finding, Severity, lint

NAMED = 5


def require_sound(host: MtaHost, text: str, standing: str | None = None) -> None:
    """Raises InputError with the first errors, by line; warnings pass.

    What is wrong in the `standing` file already passes, too: it runs, and an observer's section stays as it is."""
    known = {(one.code, one.message) for one in _errors(host, standing)} if standing else set()
    errors = [one for one in _errors(host, text) if (one.code, one.message) not in known]
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


def _errors(host: MtaHost, text: str) -> list[Finding]:
    found = lint(assemble(text, host.config_file), version=host.version)
    return [one for one in found if one.severity is Severity.ERROR]
