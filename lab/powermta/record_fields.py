"""The columns of accounting records: which exist for which type, and what `record-fields` selects of them."""

SHORT = {
    "delivery": "d",
    "bounce": "b",
    "transient": "t",
    "transient-queue": "tq",
    "receipt": "r",
    "feedback-loop": "f",
    "remote-bounce": "rb",
    "remote-status": "rs",
}

_DELIVERY = (
    "timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,bounceCat,srcType,srcMta,dlvType,dlvSourceIp,"
    "dlvDestinationIp,dlvEsmtpAvailable,dlvSize,vmta,jobId,envId,queue,vmtaPool"
)
_REMOTE = "timeLogged,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,dsnReportingMta,bounceCat,srcType,srcMta,envId,format"

_RECEIPT = "timeLogged,orig,rcpt,orcpt,srcType,srcMta,rcvSourceIp,rcvDestinationIp,vmta,vmtaPool,jobId,envId"
_QUEUE = "timeLogged,queue,vmta,dsnStatus,dsnDiag,dsnMta,dlvType,dlvSourceIp,dlvDestinationIp"
_FEEDBACK = (
    "timeLogged,repSourceIp,feedbackType,format,userAgent,envId,orig,rcpt,reportingMTA,dlvSourceIp,reportedDomain,"
    "header_From,header_Return-Path,header_X-job,header_Subject"
)

_DEFAULT_TEXT = {
    "d": _DELIVERY,
    "b": _DELIVERY,
    "t": _DELIVERY,
    "tq": _QUEUE,
    "r": _RECEIPT,
    "f": _FEEDBACK,
    "rb": _REMOTE,
    "rs": _REMOTE,
}
DEFAULT: dict[str, tuple[str, ...]] = {
    record: tuple(text.split(",")) for record, text in _DEFAULT_TEXT.items()
}

_MORE_DELIVERY = {
    "timeFirstAttempt",
    "totalSecondsQueued",
    "dlvTlsProtocol",
    "dlvTlsCipher",
    "rcvSmtpUser",
    "userString",
}
_MORE: dict[str, set[str]] = {
    "d": _MORE_DELIVERY,
    "b": _MORE_DELIVERY,
    "t": _MORE_DELIVERY,
    "tq": {"userString"},
    "r": {"rcvSmtpUser", "userString"},
    "f": {"userString"},
    "rb": {"userString"},
    "rs": {"userString"},
}
_WITH_HEADERS = {"d", "b", "t", "r", "f"}


def select(record: str, wish: str) -> tuple[str, ...]:
    """The columns of a record type for the value of `record-fields` (`*,header_Message-Id`, `*,!vmta`, `rcpt,vmta`).

    Raises ValueError naming a field that the type does not have.
    """
    chosen: list[str] = []
    for word in wish.split(","):
        name = word.removeprefix("!")
        if name == "*":
            chosen += [column for column in DEFAULT[record] if column not in chosen]
            continue
        if not _known(record, name):
            raise ValueError(f'unknown field "{name}" for records of type {record}')
        if word.startswith("!"):
            chosen = [column for column in chosen or DEFAULT[record] if column != name]
        elif name not in chosen and name != "type":
            chosen.append(name)
    return tuple(chosen)


def _known(record: str, name: str) -> bool:
    if name.startswith("header_"):
        return record in _WITH_HEADERS
    if name.startswith("arf_"):
        return record == "f"
    return name == "type" or name in DEFAULT[record] or name in _MORE[record]
