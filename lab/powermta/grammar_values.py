"""The words of the argument grammar as regular expressions: one entry for each type that the tables name.

Source: the legend of the directive tables (BOOL, RATE, SIZE, CIDR, DPATTERN ...) and the guide's lexing rules.
"""

import re

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_IPV6 = r"(?=[0-9A-Fa-f.]*:)[0-9A-Fa-f:]+(?:\.\d+){0,3}"
_IP = rf"(?:{_IPV4}|{_IPV6})"
_CIDR = rf"(?:{_OCTET}(?:\.{_OCTET}){{0,3}}/(?:3[0-2]|[12]?\d)|{_IPV6}/\d{{1,3}}|{_IP})"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"(?!\d+(?:\.\d+)*(?:[\s,:;]|$)){_LABEL}(?:\.{_LABEL})*\.?"
_PORT = r"(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|\d{1,4})"
_UNIT = r"(?:day|d|hr|h|min|m|sec|s)"
_INTERVAL = r"(?:0|(?=\d)(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?)"
_DOMAIN_PATTERN = rf"(?:\*|(?:\*\.|\[\*\.\])?[A-Za-z0-9_$](?:[A-Za-z0-9_$.-]*[A-Za-z0-9_])?|\[{_CIDR}\])"
_REGEX = r"/(?:[^/\\]|\\.)*/"
_HOSTSPEC = rf"(?:lookup-mx:{_HOST}|\[{_IP}\](?::{_PORT})?|{_HOST}(?::{_PORT})?)"
_ADDRESS = r"[^\s@,<>]+@[^\s@,<>]+"

TYPES: dict[str, str] = {
    "INT": r"\d+",
    "BOOL": r"(?:yes|no|true|false)",
    "EMAIL": _ADDRESS,
    "LOCALPART": r"[^\s@,<>*/]+",
    "DIR": r"[^\s,]+",
    "PATH": r"[^\s,]+",
    "STRING": r"\S(?:.*\S)?",
    "CIPHERS": r"\S+",
    "CIPHERSUITES": r"\S+",
    "IP": _IP,
    "CIDR": _CIDR,
    "HOST": _HOST,
    "PORT": _PORT,
    "DOMAIN": _HOST,
    "DOMAINPART": r"[A-Za-z0-9_.*-]+",
    "NAME": r"[^\s,<>\"/]+",
    "SIZE": r"\d+[bkmgtBKMGT]",
    "DPATTERN": _DOMAIN_PATTERN,
    "REGEX": _REGEX,
    "SELECTOR": r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?",
    "VAULT": r"\{vault\}:/[^\s,:]+:[^\s,]+",
    "RATE": rf"(?:unlimited|0|\d+/\d*{_UNIT})",
    "VOLUME-RATE": rf"(?:unlimited|0|\d+[bkmgt]?/\d*{_UNIT})",
    "DAY-RATE": r"\d+/(?:day|d)",
    "HEADER": r"[A-Za-z0-9!$%&'*+.^_`|~-]+",
    "INTERVAL": _INTERVAL,
    "URL": r"https?://\S+",
    "QUEUE": r"[^\s,]+",
    "FIELD": r"[A-Za-z][A-Za-z0-9]*",
    "ADDRPATTERN": r"(?:[^\s@,]+)?@?[^\s@,]+",
    "HOSTSPEC": _HOSTSPEC,
}

_LENGTH = re.compile(r"(\d+)\.\.(\d+);(\[.+\])")
_FIXED = re.compile(r"(\d+);(\[.+\])")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def limited(kind: str, limit: str) -> str:
    """The regular expression of `kind` under the limit that stands in brackets behind it, e.g. `INT(1..100)`."""
    if kind == "enum":
        return "(?:" + "|".join(_enum_word(word) for word in limit.split("|")) + ")"
    if kind == "RATE":
        return rf"(?:unlimited|0|\d+/\d*(?:{limit}))"
    if found := _LENGTH.fullmatch(limit):
        return f"{found[3]}{{{found[1]},{found[2]}}}"
    if found := _FIXED.fullmatch(limit):
        return f"{found[2]}{{{found[1]}}}"
    if found := _RANGE.fullmatch(limit):
        return _number_between(int(found[1]), int(found[2]))
    if kind == "SIZE" and limit.startswith("min1M"):
        return r"(?:[1-9]\d*[mgtMGT]|(?:[5-9]\d|[1-9]\d{2,})[kK])"
    if kind == "INTERVAL" and limit == "min1m":
        return rf"(?!0*(?:[0-5]?\d)s|0){_INTERVAL}"
    if kind == "INTERVAL" and limit == "max10m":
        return r"(?:0|10m|\d[m](?:[1-5]?\ds)?|(?:600|[1-5]?\d{1,2})s)"
    return TYPES[kind]


def _enum_word(word: str) -> str:
    head, bracket, tail = word.partition("[")
    return re.escape(head) + (f"(?:{re.escape(tail.rstrip(']'))})?" if bracket else "")


def _number_between(low: int, high: int) -> str:
    return "(?:" + "|".join(str(number) for number in range(high, low - 1, -1)) + ")"
