"""Values of PowerMTA's directives: one canonical spelling each, and what is refused says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_engine.pmta.language import values
from email_engine.pmta.language.checks import BadValue, Check, Fault, either, fields, like, many, word, words
from email_engine.pmta.language.specs import SPECS, check_of

GOOD: list[tuple[str, str, str]] = [
    ("BOOL", "true", "yes"),
    ("BOOL", "no", "no"),
    ("INT", "007", "7"),
    ("INTERVAL", "90m", "1h30m"),
    ("INTERVAL", "1w2d12h", "1w2d12h"),
    ("INTERVAL", "4d12h", "4d12h"),
    ("INTERVAL", "0", "0s"),
    ("INTERVAL|never", "never", "never"),
    ("INTERVAL,...(max30)", "10m,600s,1h", "10m,10m,1h"),
    ("SIZE", "1024k", "1m"),
    ("SIZE", "250M", "250m"),
    ("SIZE|0|unlimited|INT(deprecated)", "0", "0"),
    ("RATE", "250/hr", "250/h"),
    ("RATE", "50/day", "50/d"),
    ("RATE", "10/1min", "10/m"),
    ("RATE", "83/10m", "83/10m"),
    ("RATE", "1/sec", "1/s"),
    ("RATE", "unlimited", "unlimited"),
    ("RATE", "0", "0"),
    ("DAY-RATE,...", "1/day,2/d", "1/d,2/d"),
    ("VOLUME-RATE", "5m/h", "5m/h"),
    ("IP|CIDR HOST", "192.0.2.1 Mail.Example.com", "192.0.2.1 mail.example.com"),
    ("IP|CIDR HOST", "2001:db8::0:1 m.example.com", "2001:db8::1 m.example.com"),
    ("IP|CIDR HOST", "192.0.2.0/24  m.example.com", "192.0.2.0/24 m.example.com"),
    ("SELECTOR,DOMAIN|*,PATH|VAULT", "s1, *, /k.pem", "s1,*,/k.pem"),
    ("SELECTOR,DOMAIN|*,PATH|VAULT", "s1,a.example,{vault}:/p:k", "s1,a.example,{vault}:/p:k"),
    ("DPATTERN", "[*.]Example.org", "[*.]example.org"),
    ("DPATTERN", "[10/8]", "[10.0.0.0/8]"),
    ("DPATTERN", "yahoo.$tld", "yahoo.$tld"),
    ("CIDR:PORT [source=NAME]", "0/0:25 source=app", "0.0.0.0/0:25 source=app"),
    ("CIDR enum(none|monitor[,deny-logs]|operator|admin)", "0/0 none", "0.0.0.0/0 none"),
    (
        "DPATTERN NAME.rollup [rollup-by-ip]",
        "*.google.com g.rollup rollup-by-ip",
        "*.google.com g.rollup rollup-by-ip",
    ),
    (
        'HOSTSPEC[,HOSTSPEC...][;...]|""',
        "lookup-mx:a.example,b.example;[192.0.2.1]:25",
        "lookup-mx:a.example,b.example;[192.0.2.1]:25",
    ),
    ("REGEX NAME", "// other", "// other"),
    ("REGEX NAME", r"/a\/b c/ spam-related", r"/a\/b c/ spam-related"),
]
BAD: list[tuple[str, str, Fault]] = [
    ("BOOL", "on", Fault.VALUE),
    ("INT", "-1", Fault.VALUE),
    ("INTERVAL", "10min", Fault.UNIT),
    ("INTERVAL", "12h4d", Fault.UNIT),
    ("INTERVAL,...(max30)", ",".join(["1m"] * 31), Fault.COUNT),
    ("INTERVAL,...(max30)", "10m, 10m", Fault.VALUE),
    ("SIZE", "10", Fault.UNIT),
    ("RATE", "1000/hour", Fault.UNIT),
    ("RATE", "1000/minute", Fault.UNIT),
    ("RATE", "1000", Fault.VALUE),
    ("RATE", "10/0m", Fault.UNIT),
    ("CIDR RATE(h|hr|m|min|s|sec)", "192.0.2.0/24 500/d", Fault.UNIT),
    ("DAY-RATE,...", "50/h", Fault.UNIT),
    ("IP|CIDR HOST", "m.example.com 192.0.2.1", Fault.ORDER),
    ("IP|CIDR HOST", "192.0.2.1", Fault.COUNT),
    ("IP|CIDR HOST", "192.0.2.1 a.example b.example", Fault.COUNT),
    ("IP|CIDR HOST", "192.0.2.300 m.example.com", Fault.VALUE),
    ("SELECTOR,DOMAIN|*,PATH|VAULT", "a,b.example,*,/k.pem", Fault.COUNT),
    ("DPATTERN", "a.example b.example", Fault.VALUE),
    ("PATH", '"/a"', Fault.VALUE),
    ("REGEX NAME", "/a other", Fault.VALUE),
    ("REGEX NAME", "/a/", Fault.COUNT),
    ("PORT", "65536", Fault.VALUE),
]


@pytest.mark.parametrize(("spec", "text", "canonical"), GOOD, ids=[f"{s} {t}" for s, t, _ in GOOD])
def test_a_good_value_has_one_spelling(spec: str, text: str, canonical: str) -> None:
    check = check_of(spec)
    assert check(text) == canonical
    assert check(canonical) == canonical


@pytest.mark.parametrize(("spec", "text", "fault"), BAD, ids=[f"{s} {t[:30]}" for s, t, _ in BAD])
def test_a_bad_value_says_what_is_allowed_and_in_which_way_it_is_wrong(
    spec: str, text: str, fault: Fault
) -> None:
    with pytest.raises(BadValue) as caught:
        check_of(spec)(text)
    assert caught.value.fault is fault
    assert caught.value.expected


@given(st.sampled_from(sorted(SPECS)), st.text('0123456789abdhmsk/.,*:[]{}$ -"#x', max_size=20))
def test_a_canonical_value_is_its_own_canonical_value(spec: str, text: str) -> None:
    check = SPECS[spec]
    try:
        canonical = check(text)
    except BadValue:
        return
    assert check(canonical) == canonical


@given(st.integers(0, 10**9))
def test_every_number_of_seconds_is_spelled_and_read_back(seconds: int) -> None:
    assert values.seconds(values.interval(f"{seconds}s")) == seconds


@given(st.integers(1, 10**12))
def test_every_number_of_bytes_is_spelled_and_read_back(number: int) -> None:
    assert values.size_in_bytes(values.size(f"{number}b")) == number


DIGITS = like(r"\d+", "digits")


@pytest.mark.parametrize(
    ("check", "text", "canonical"),
    [
        (either(word("a"), DIGITS), "12", "12"),
        (words(word("a"), DIGITS, optional=1), "a", "a"),
        (words(word("a"), DIGITS), "a   12", "a 12"),
        (many(DIGITS), "1,2", "1,2"),
        (many(DIGITS, blanks=True), "1, 2", "1,2"),
        (fields(word("a"), DIGITS), "a , 1", "a,1"),
    ],
)
def test_checks_are_made_of_smaller_ones(check: Check, text: str, canonical: str) -> None:
    assert check(text) == canonical


@pytest.mark.parametrize(
    ("check", "text", "expected"),
    [
        (either(word("a"), DIGITS), "b", "`a` or digits"),
        (word("a", "b"), "c", "one of a, b"),
        (words(word("a"), DIGITS, optional=1), "a 1 2", "1 or 2 arguments"),
        (words(DIGITS, word("a")), "a 1", "digits first"),
        (many(DIGITS, 2), "1,2,3", "at most 2 values"),
        (fields(DIGITS, DIGITS), "1", "2 values with commas between them"),
    ],
)
def test_what_they_refuse_completes_the_sentence(check: Check, text: str, expected: str) -> None:
    with pytest.raises(BadValue, match="^" + expected.replace("`", ".")):
        check(text)
