"""Numbers of things, and values that people wrote, in messages."""

LONGEST_SHOWN = 80
"""Characters of a value in a message."""


def amount(number: int, thing: str) -> str:
    """`1 IP`, `2 IPs`, `0 virtual MTAs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def excerpt(value: object, longest: int = LONGEST_SHOWN) -> str:
    """A value as a message shows it: in quotes, on one line, a long one cut with its length behind:
    `'aaaa'... (1,048,576 characters)`."""
    text = value if isinstance(value, str) else repr(value)
    head = text[:longest]
    while len(shown := repr(head)) > longest + 2:
        head = head[: -max(1, (len(shown) - longest) // 10)]
    return shown if len(head) == len(text) else f"{shown}... ({len(text):,} characters)"


def brief(text: str, longest: int = LONGEST_SHOWN) -> str:
    """The same without quotes, for names that passed a check and may still be long."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def cut(sentence: str, longest: int) -> str:
    """A sentence whose values nobody bounded, on one line: at most `longest` characters and its length."""
    if len(sentence) <= longest and sentence.isprintable():
        return sentence
    line = "".join(c if c.isprintable() else " " for c in sentence[:longest])
    return line if len(sentence) <= longest else f"{line}... ({len(sentence):,} characters)"
