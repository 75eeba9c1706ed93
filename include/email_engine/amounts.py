"""Numbers of things in messages."""


def amount(number: int, thing: str) -> str:
    """`1 IP`, `2 IPs`, `0 virtual MTAs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
