"""docs/lint.md from the rules."""

from email_engine.pmta.lint.registry import GROUPS, RULES
from email_engine.pmta.lint.rule import MAIN, Rule

HEAD = """# What `email-engine lint` finds

Made from the rules by `make docs`; every example on this page is a test.

    email-engine lint FILE... [--json] [--strict] [--version 4.5|5.0|5.0r5] [--host-ip IP]... [--root DIR]

Several files are several configurations, except a file that another of them includes: it is read in its place. Includes are
followed where they can be read (`--root DIR`: absolute paths are looked up below DIR). A file with less than two of `log-file`,
`<spool>`, `smtp-listener`, `postmaster`, `run-as-root`, `smtp-ip*` and `http-*` is taken for one that another file includes, and is not blamed for what only the main
file has. Exit 1 on errors, with `--strict` on warnings too; 2 if a file cannot be read.

An **error** stops PowerMTA from starting, loses mail, or opens the machine. A **warning** works, but not as it reads. An **info** is
worth knowing. Section numbers are those of the PowerMTA 5.0 user guide; `r1` is its first release's. `facts`
are notes that this project gathered and does not ship, `field` is what configurations in use show.
"""


def lint_page() -> str:
    """The page: a table, then a section for each rule."""
    parts = [HEAD, "| code | severity | finds |\n|---|---|---|"]
    table = "\n".join(f"| [{r.code}](#{r.code.lower()}) | {r.severity} | {_cell(r.title)} |" for r in RULES)
    parts[-1] += "\n" + table
    group = ""
    for rule in RULES:
        if rule.code[:3] != group:
            group = rule.code[:3]
            parts.append(f"## {GROUPS[group]}")
        parts.append(_section(rule))
    return "\n\n".join(parts) + "\n"


def _section(rule: Rule) -> str:
    given = [f"release {rule.version}"] if rule.version != "5.0" else []
    given += [f"on a host with {', '.join(rule.host_ips)}"] if rule.host_ips else []
    given += ["the file is missing"] if rule.absent and not rule.absent[0].startswith("?") else []
    said = f" ({'; '.join(given)})" if given else ""
    return (
        f'### <a id="{rule.code.lower()}"></a>{rule.code}: {_cell(rule.title)}\n\n'
        f"*{rule.severity}*. {_cell(rule.why)} Remedy: {_cell(rule.remedy)}. Source: {rule.source}.\n\n"
        f"Bad{said}:\n\n{_example(rule.bad)}\n\nGood:\n\n{_example(rule.good)}"
    )


def _cell(text: str) -> str:
    """`<` outside of code only: between backticks Markdown shows an entity as it is written."""
    words = text.replace("|", "\\|").split("`")
    return "`".join(part if n % 2 else part.replace("<", "&lt;") for n, part in enumerate(words))


def _example(text: str) -> str:
    if text.startswith(MAIN) and text != MAIN:
        text = "# ... log-file, spool, acct-file and the rest of a whole configuration\n" + text.removeprefix(
            MAIN
        )
    shown = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
    lines = [line if len(line) <= 120 else f"{line[:117]}..." for line in shown.splitlines()]
    if len(lines) > 24:
        lines = [*lines[:12], "...", *lines[-4:]]
    return "```\n" + "\n".join(lines) + "\n```"
