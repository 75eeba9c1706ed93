"""Virtual MTAs whose mail leaves through a proxy: nobody sees the IP that their host has, so they are not taken over."""

from email_engine.adoption.gaps import Gaps, shown, tag_shown
from email_engine.adoption.reading import VMTA, Configuration, Found, Setting

_SETTINGS = ("smtp-proxy-source-host", "use-proxy")
_CLEARED = frozenset({"", '""', "none"})
_WHY = "mail leaves from the proxy's address; the fleet has only IPs that PowerMTA binds on its host, itself or behind NAT"
_TODO = "give {} an smtp-source-host of this host and no proxy and import again, or leave it out of the fleet, in your own configuration"


class Proxies:
    """Tells of each one once; of one for the whole configuration once as well."""

    def __init__(self, configuration: Configuration, gaps: Gaps) -> None:
        self._gaps = gaps
        said = [setting for setting in configuration.settings if setting.name == "use-proxy"]
        self._global = said[-1] if said and said[-1].value not in _CLEARED else None
        self._told = False

    def of(self, vmta: Found) -> Setting | None:
        """The line by which its mail goes through a proxy."""
        own = [setting for setting in vmta.settings if setting.name in _SETTINGS]
        used = [setting for setting in own if setting.value not in _CLEARED]
        return used[-1] if used else None if own else self._global

    def refuse(self, vmta: Found) -> bool:
        """Must it stay out of the draft? Says why."""
        line = self.of(vmta)
        if line is None:
            return False
        if line is not self._global:
            text = f"{tag_shown(VMTA, vmta.name)} {shown(line.name, line.value)}"
            self._gaps.add(line.place, text, _WHY, _TODO.format("it"))
        elif not self._told:
            self._told = True
            text = shown(line.name, line.value)
            self._gaps.add(line.place, text, f"of every virtual MTA {_WHY}", _TODO.format("each"))
        return True
