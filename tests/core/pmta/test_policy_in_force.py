"""Which deploy.yaml is in force, and fractions of minutes in it."""

from pathlib import Path

import pytest

from email_engine import paths
from email_engine.errors import InputError
from email_engine.pmta.config.deploy_policy import deploy_policy, parse_policy, policy_path

SHIPPED = (paths.CONFIG / "deploy.yaml").read_text()


def test_without_the_variable_it_is_the_one_that_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL_ENGINE_DEPLOY_POLICY", raising=False)
    assert policy_path() == paths.CONFIG / "deploy.yaml"
    assert deploy_policy().watch.minutes == 10


def test_the_variable_names_another_which_is_read_at_each_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "lab.yaml"
    monkeypatch.setenv("EMAIL_ENGINE_DEPLOY_POLICY", str(path))
    with pytest.raises(InputError, match="correct EMAIL_ENGINE_DEPLOY_POLICY or the file"):
        deploy_policy()
    path.write_text(SHIPPED.replace("\n  minutes: 10\n", "\n  minutes: 0.2\n"))
    assert deploy_policy().watch.minutes == 0.2
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="0xff in line 1, is not UTF-8"):
        deploy_policy()


@pytest.mark.parametrize("wrong", ["1m", "-1", "61", "60.01", "nan", "1e9", "''", "[10]", "true"])
def test_a_wrong_window_is_a_mistake_with_its_line(wrong: str) -> None:
    with pytest.raises(InputError, match="minutes"):
        parse_policy(SHIPPED.replace("\n  minutes: 10\n", f"\n  minutes: {wrong}\n"))


def test_an_edit_is_in_force_at_the_next_look_and_a_mistake_is_told_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "edited.yaml"
    monkeypatch.setenv("EMAIL_ENGINE_DEPLOY_POLICY", str(path))
    found = []
    for minutes in ("0.2", "0.3", "0.2"):
        path.write_text(SHIPPED.replace("\n  minutes: 10\n", f"\n  minutes: {minutes}\n"))
        found.append(deploy_policy().watch.minutes)
    assert found == [0.2, 0.3, 0.2]
    path.write_text("caps: {")
    for _ in range(2):
        with pytest.raises(InputError):
            deploy_policy()
