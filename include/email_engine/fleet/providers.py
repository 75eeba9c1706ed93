"""Mailbox providers: which operator receives the mail of a recipient domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from email_engine.fleet import names
from email_engine.fleet.config_file import load_config, parse_config
from email_engine.fleet.document import Section
from email_engine.paths import CONFIG

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Provider:
    """`domains`: recipient domains; `mx`: host names, or `*.suffix` for every name below one; `feedback`: report formats in which only
    this provider reports, and leaves out the recipient."""

    name: str
    title: str
    domains: tuple[str, ...]
    mx: tuple[str, ...]
    feedback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Providers:
    """All known providers; whatever none of them claims is `other`."""

    all: tuple[Provider, ...]
    by_domain: Mapping[str, str]

    def of(self, domain: str) -> str:
        """The provider of a recipient domain, without a look-up."""
        return self.by_domain.get(domain.lower().rstrip("."), OTHER)

    def of_feedback(self, form: str) -> str:
        """The provider whose complaint reports have this format, in any case."""
        form = form.lower()
        return next((provider.name for provider in self.all if form in provider.feedback), OTHER)

    def of_mx(self, host: str) -> str:
        """The provider behind an MX host: how companies at Google Workspace or Microsoft 365 are recognised."""
        host = host.lower().rstrip(".")
        for provider in self.all:
            for pattern in provider.mx:
                if host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:])):
                    return provider.name
        return OTHER


def _mx_pattern(text: str) -> str | None:
    allowed = names.hostname(text.removeprefix("*."))
    return f"{allowed}, or *. before one" if allowed else None


def parse_providers(text: str, source: str) -> Providers:
    """Reads a providers file; FileInvalid lists every mistake."""
    return parse_config(text, source, _providers)


def _providers(top: Section) -> Providers:
    top.only("providers")
    found: dict[str, Provider] = {}
    by_domain: dict[str, str] = {}
    for section in top.sections("providers"):
        section.only("name", "title", "domains", "mx", "feedback")
        provider = Provider(
            name=section.text("name", names.name),
            title=section.text("title", names.words),
            domains=section.texts("domains", names.hostname),
            mx=section.texts("mx", _mx_pattern),
            feedback=section.texts("feedback", names.name),
        )
        section.once("name", provider.name, found)
        if provider.name == OTHER:
            section.add("name", repr(OTHER), "a name of its own; 'other' is the rest")
        for domain in provider.domains:
            if by_domain.setdefault(domain, provider.name) != provider.name:
                section.add(
                    "domains", f"{domain} belongs to {by_domain[domain]} already", "one provider a domain"
                )
        found[provider.name] = provider
    return Providers(tuple(found.values()), by_domain)


@cache
def shipped_providers() -> Providers:
    """The providers of include/config/providers.yaml, read once in a process."""
    return load_config(CONFIG / "providers.yaml", "providers file", _providers)
