"""What a later release has and the tables have not, a person may allow by name."""

import pytest

from email_engine.cli import main
from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.lint import lint

TEXT = "<domain *>\n  quantum-retry 5m\n  max-smtp-ot 20\n</domain>\n"


def codes(*allow: str) -> list[tuple[int, str]]:
    return [(one.line, one.code) for one in lint(assemble(TEXT), allow=allow)]


@pytest.mark.parametrize(
    ("allow", "left"),
    [
        ((), [2, 3]),
        (("quantum-retry",), [3]),
        (("max-smtp-ot", "quantum-retry"), []),
        (("dkim-sign",), [2, 3]),
    ],
)
def test_only_what_is_named_is_allowed(allow: tuple[str, ...], left: list[int]) -> None:
    assert codes(*allow) == [(line, "PM201") for line in left]


def test_a_known_directive_in_the_wrong_place_stays_wrong() -> None:
    (found,) = lint(assemble("<domain *>\n  postmaster a@b.example\n</domain>\n"), allow=["postmaster"])
    assert found.severity == "error"


def test_the_command_takes_names(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "part.conf"
    path.write_text(TEXT)
    assert main(["lint", str(path)]) == 1
    assert main(["lint", str(path), "--allow", "quantum-retry", "--allow", "max-smtp-ot"]) == 0
    assert "nothing found" in capsys.readouterr().out
