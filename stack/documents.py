"""Pages made from code: `make docs` writes them, `make check` fails when one is stale."""

import ast
import sys
from pathlib import Path

from email_engine.paths import ROOT

DAGS_PAGE = ROOT / "docs" / "dags.md"
HEAD = """# The pipelines

Made from the docstrings in `dags/` by `make docs`; the Airflow UI shows the same text on each DAG's page.
"""


def dags_page() -> str:
    """One section a DAG file, by name."""
    parts = [HEAD]
    for path in sorted((ROOT / "dags").glob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        if docstring is None:
            raise SystemExit(
                f"dags/{path.name} has no docstring; it is the operator's runbook. Next: write one"
            )
        parts.append(f"## `{path.stem}`\n\n{docstring.strip()}\n")
    return "\n".join(parts)


def pages() -> dict[Path, str]:
    """Path -> text as it should be."""
    from email_engine.dkim import document as dkim
    from email_engine.lifecycle.document import render_page
    from email_engine.pmta.lint.page import lint_page
    from email_engine.warmup.policy_file import load_policy
    from stack.key_page import keys_page

    lifecycle, onboarding = ROOT / "docs" / "lifecycle.md", ROOT / "docs" / "onboarding.md"
    return {
        DAGS_PAGE: dags_page(),
        lifecycle: render_page(lifecycle.read_text(), load_policy()),
        onboarding: dkim.render_page(onboarding.read_text()),
        ROOT / "docs" / "lint.md": lint_page(),
        ROOT / "docs" / "keys.md": keys_page(),
    }


def main(arguments: list[str]) -> int:
    stale = {path: text for path, text in pages().items() if not path.exists() or path.read_text() != text}
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale. Next: make docs")
        return 1 if stale else 0
    for path, text in stale.items():
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
