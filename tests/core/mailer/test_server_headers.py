"""PHP's serialized values, and the virtual MTA in them."""

import pytest

from email_engine.mailer.headers import parse_php, virtual_mtas


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"N;", None),
        (b"b:1;", True),
        (b"b:0;", False),
        (b"i:-12;", -12),
        (b"d:1.5;", 1.5),
        ('s:2:"ü";'.encode(), "ü"),
        (b's:3:"";x";', '";x'[:3]),
        (b"a:0:{}", {}),
        (b's:0:"";', ""),
        (b'a:2:{i:0;s:1:"a";s:1:"k";a:1:{i:0;N;}}', {0: "a", "k": {0: None}}),
    ],
    ids=[
        "null",
        "true",
        "false",
        "int",
        "float",
        "bytes not letters",
        "quotes inside",
        "empty",
        "no text",
        "nested",
    ],
)
def test_a_value_is_read(data: bytes, value: object) -> None:
    assert parse_php(data) == value


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"i:1", b"i:x;", b's:5:"abc";', b"a:1:{}", b"a:1:{N;N;}", b"N;N;", b'O:3:"Foo":0:{}', b"a:-1:{}",
     b"s:2:\"\xff\xfe\";", b"a:1:{i:0;" * 30 + b"N;" + b"}" * 30],
)  # fmt: skip
def test_anything_else_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_php(data)


ONE = b'a:2:{s:4:"name";s:13:"X-Virtual-MTA";s:5:"value";s:8:"aurora-1";}'
OTHER = b'a:2:{s:4:"name";s:5:"x-job";s:5:"value";s:14:"[CAMPAIGN_UID]";}'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'a:1:{s:18:"additional_headers";a:2:{i:0;' + OTHER + b"i:1;" + ONE + b"}}", ("aurora-1",)),
        (b"a:1:{i:0;" + ONE + b"}", ("aurora-1",)),
        (b"a:2:{i:0;" + ONE + b"i:1;" + ONE + b"}", ("aurora-1", "aurora-1")),
        (b"a:1:{i:0;" + OTHER + b"}", ()),
        (b"", ()),
        (None, ()),
        (b"garbage", None),
    ],
    ids=["among others", "at the top", "twice", "another header", "empty", "null", "unreadable"],
)
def test_the_virtual_mta_is_found_wherever_it_stands(
    data: bytes | None, expected: tuple[str, ...] | None
) -> None:
    assert virtual_mtas(data) == expected


def test_a_header_that_no_database_takes_is_shown_harmlessly() -> None:
    value = "aurora-1\0\x1b[2J" + "x" * 500
    data = f'a:2:{{s:4:"name";s:13:"x-virtual-mta";s:5:"value";s:{len(value)}:"{value}";}}'.encode()
    (shown,) = virtual_mtas(data) or ()
    assert shown.startswith("aurora-1\ufffd\ufffd[2J")
    assert len(shown) == 100
