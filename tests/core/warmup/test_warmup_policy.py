"""The policy file: complete, every mistake at once, known by its digest."""

import re
from pathlib import Path

import pytest

from email_engine.fleet.mistakes import FileInvalid
from email_engine.paths import CONFIG
from email_engine.warmup.policy import Schedule
from email_engine.warmup.policy_file import load_policy, parse_policy

SHIPPED = (CONFIG / "policy.yaml").read_text(encoding="utf-8")


def test_the_shipped_policy_has_the_numbers_of_the_notes() -> None:
    policy = load_policy()
    assert policy.schedules["six_week"] == Schedule((50, 100, 250, 500, 1000, 2000), 7)
    assert policy.schedules["classic"].stages == (50, 200, 500, 1500, 5000, 10000)
    assert policy.schedules["double"].stages[-1] == 1600
    assert (policy.gates.bounces.limit, policy.gates.complaints.limit) == (0.05, 0.001)
    assert (policy.pause_days, policy.quarantine_days, policy.rest_days, policy.clean_days) == (7, 7, 30, 7)
    assert (policy.tripwire.complaints, policy.tripwire.below_messages) == (3, 1000)
    assert policy.auto_start_standby is False


def test_the_digest_ignores_comments_and_sees_every_value() -> None:
    policy = parse_policy(SHIPPED, "policy.yaml")
    assert parse_policy(SHIPPED + "\n# a comment\n", "policy.yaml").digest == policy.digest
    changed = parse_policy(SHIPPED.replace("pause_days: 7", "pause_days: 8"), "policy.yaml")
    assert changed.digest != policy.digest
    assert len(policy.digest) == 64


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(SHIPPED, encoding="utf-8")
    before = load_policy(file)
    file.write_text(SHIPPED.replace("start: person", "start: automatic"), encoding="utf-8")
    assert load_policy(file).auto_start_standby is not before.auto_start_standby


def test_names_of_the_release_before_are_read_with_a_note(caplog: pytest.LogCaptureFixture) -> None:
    earlier = SHIPPED
    for now, before in (
        ("\nstream_problem:", "\nlist_problem:"),
        ("  remember_days:", "  second_within_days:"),
        ("  blocklists_max_age_hours:", "  lists_max_age_hours:"),
    ):
        assert earlier.count(now) == 1
        earlier = earlier.replace(now, before)
    assert parse_policy(earlier, "policy.yaml").digest == load_policy().digest
    line = SHIPPED[: SHIPPED.index("stream_problem:")].count("\n") + 1
    notes = [record.getMessage() for record in caplog.records]
    assert len(notes) == 3
    assert f"policy.yaml:{line}: list_problem is called stream_problem now" in notes[0]


def test_what_means_nothing_any_more_is_passed_over_with_a_note(caplog: pytest.LogCaptureFixture) -> None:
    earlier = SHIPPED.replace(
        "tripwire: { complaints", "tripwire: { named: 1, blocklists: [zen], complaints", 1
    )
    earlier = earlier.replace("points: { bounces: 30", "points: { deferrals: 20, bounces: 30", 1)
    assert parse_policy(earlier, "policy.yaml").digest == load_policy().digest
    notes = [record.getMessage() for record in caplog.records]
    assert len(notes) == 3
    assert all("is not read any more: " in note for note in notes)


def test_a_policy_of_the_release_before_needs_no_new_section() -> None:
    earlier = re.sub(r"(?m)^(varying_days|named_lists|suspend):.*$", "", SHIPPED)
    earlier = re.sub(r"(?m)^  quarantine_at:.*$", "", earlier)
    assert parse_policy(earlier, "policy.yaml").digest == load_policy().digest


def test_both_names_at_once_are_a_mistake() -> None:
    both = SHIPPED.replace("  remember_days: 30", "  second_within_days: 9\n  remember_days: 30", 1)
    with pytest.raises(FileInvalid, match=r"stops.second_within_days: unknown key"):
        parse_policy(both, "policy.yaml")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("stages: [50, 100, 250", "stages: [50, 500, 250", "each greater than the one before"),
        ("sent_days: 7", "sent_days: 0", "a whole number from 1 to 30"),
        ('limit: 0.05', "limit: 5%", "a rate between 0 and 1"),
        ("start: person", "start: maybe", "person or automatic"),
        ("step_back: 20", "step_back: 200", "at most stop, 100"),
        ("parts: [0.5, 0.25, 0.1]", "parts: [0.1, 0.5]", "each smaller than the one before"),
        ("share_step: 10", "share_stop: 10", "did you mean 'share_step'"),
        ("tripwire:", "tripwires:", "missing"),
        ("unwarmed_max: 10000", "unwarmed_max: 40", "the first stage of six_week is 50"),
        ("unwarmed_max: 10000", "unwarmed_max: 10001", "a whole number from 1 to 10000"),
        ("limit: 0.05", "limit: 1e-320", "at least 0.000001"),
        ("limit: 0.05", "limit: 0.\u0660\u0665", "a rate between 0 and 1"),
        ("pause_days: 7", "pause_days: " + "7" * 5001, "a whole number from 1 to 90"),
        ("pause_days: 7", 'pause_days: !!int "\u0667"', "a whole number from 1 to 90"),
        ("stages: [50, 100, 250", "stages: [50, " + "1" * 5001 + ", 250", "a whole number from 1 to"),
        ("least: 0.1", "least: 0.9", "at most factor, 0.5"),
        ("share: 0.5", "share: 1.5", "a share above 0 and up to 1"),
        ("microsoft: {", "mikrosoft: {", "did you mean 'microsoft'"),
        ("from: 2,", "from: 1,", "more in each that follows"),
        ("complaints: fine, blocks: fine, deferrals: fine }\n  - ", "complaints: good, blocks: fine, deferrals: fine }\n  - ", "fine, pass"),
        ("pause_below: 50", "pause_below: 80", "at most slow_below, 70"),
        ("recover: 1.25", "recover: 0.9", "a factor above 1"),
        ("start: never }", "start: off }", "a truth value"),
        ("  complaints: { limit", "  complaint: { limit", "unknown key"),
    ],
    ids=["stages fall", "no days", "percent", "unknown word", "step back after stop", "parts rise", "typo", "no section", "starts too high", "too much unwarmed", "next to nothing", "digits of another script", "5001 digits", "a digit of another script", "a stage of 5001 digits", "least above factor", "no share", "no provider", "rows fall", "unknown verdict", "pause above slow", "never recovers", "off is no text", "no gate"],
)  # fmt: skip
def test_each_mistake_is_named_with_its_line(old: str, new: str, complaint: str) -> None:
    assert old in SHIPPED
    with pytest.raises(FileInvalid) as refused:
        parse_policy(SHIPPED.replace(old, new, 1), "policy.yaml")
    assert complaint in str(refused.value)
    assert "policy.yaml:" in str(refused.value)


def test_all_mistakes_come_at_once() -> None:
    broken = SHIPPED.replace("limit: 0.05", "limit: 5").replace("rest_days: 30", "rest_days: x")
    with pytest.raises(FileInvalid) as refused:
        parse_policy(broken, "policy.yaml")
    assert len(refused.value.mistakes) == 2


@pytest.mark.parametrize(
    "text",
    ["", "- a\n", "a: [\n", "schedules: {}\n", "[" * 300_000, "a:" + " {a:" * 101],
    ids=["empty", "a list", "not YAML", "nothing in it", "300,000 levels", "103 levels"],
)
def test_what_is_no_policy_is_one_error(text: str) -> None:
    with pytest.raises(FileInvalid):
        parse_policy(text, "policy.yaml")
