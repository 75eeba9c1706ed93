"""No configuration leaves for a host that the linter calls wrong."""

from email_engine.errors import InputError
from email_engine.fleet.model import MtaHost
from email_engine.plural import amount
from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.lint import LintFinding, Severity, lint
from email_engine.pmta.lint.finding import grouped

NAMED = 5


def require_sound(host: MtaHost, text: str, standing: str | None = None) -> None:
    """Raises InputError with the first errors, by line; warnings pass.

    What is wrong in the `standing` file already passes, too: it runs, and an observer's section stays as it is."""
    known = {(one.code, one.message) for one in _errors(host, standing)} if standing else set()
    errors = [one for one in _errors(host, text) if (one.code, one.message) not in known]
    if errors:
        groups = grouped(errors)
        listed = "; ".join(map(_words, groups[:NAMED]))
        left = sum(map(len, groups[NAMED:]))
        more = f"; and {left} more" if left else ""
        raise InputError(
            f"configuration for {host.name}",
            f"the linter finds {len(errors)} error{'s' if len(errors) > 1 else ''}: {listed}{more}",
            "a configuration without errors",
            "nothing was changed; correct the fleet, the policy or the template that the line comes from "
            "(`email-engine render` and `email-engine lint` show it)",
        )


def _words(alike: tuple[LintFinding, ...]) -> str:
    more = f" and {amount(len(alike) - 1, 'more line')}" if len(alike) > 1 else ""
    return f"line {alike[0].line}{more}: {alike[0].message} ({alike[0].code})"


def _errors(host: MtaHost, text: str) -> list[LintFinding]:
    found = lint(assemble(text, host.config_file), version=host.version)
    return [one for one in found if one.severity is Severity.ERROR]
