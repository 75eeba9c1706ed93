"""Assembles the lab from a world and keeps its time running."""

import asyncio
import contextlib
import errno
import inspect
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.clock import Clock
from lab.control import control_app
from lab.dns.world import DnsWorld
from lab.knobs import Panel
from lab.mailwizz.serving import HttpServer
from lab.ports import LOOPBACK
from lab.world import DnsConfig, TelegramConfig, World, start_of

STEP = timedelta(hours=1)
BEAT = 1.0
log = logging.getLogger("lab")


class StartError(RuntimeError):
    """A part could not be started; the text names it."""


class Lab:
    """All parts of one world. `start`, then either `beat` (real time) or `advance_to` (manual clock) moves them.

    Everything listens on the IPv4 address `bind`; `control_names`: see `lab.same_origin`."""

    def __init__(self, world: World, bind: str = LOOPBACK, control_names: tuple[str, ...] = ()) -> None:
        self.world = world
        self.bind = bind
        self.control_names = control_names
        self.clock = Clock(start_of(world.clock, datetime.now(UTC)))
        self.panel = Panel()
        self.hosts: dict[str, Any] = {}
        self.mailwizz: dict[str, Any] = {}
        self.dns: DnsWorld | None = None
        self.telegram: Any = None
        self.last_error: dict[str, str] | None = None
        self.ports: dict[str, Any] = {}
        self._moving = asyncio.Lock()
        self._closing: list[Callable[[], Any]] = []

    async def start(self) -> None:
        """Starts every part of the world and lives through `replay_days`. Raises StartError."""
        self.world.state.mkdir(parents=True, exist_ok=True)
        await self._start_hosts()
        await self._start_mailwizz()
        if self.world.dns:
            await self._start_dns(self.world.dns)
        if self.world.telegram:
            await self._start_telegram(self.world.telegram)
        await self._start_control()
        if self.world.clock.replay_days:
            await self.release()

    async def stop(self) -> None:
        """Stops what was started, the last first."""
        for close in reversed(self._closing):
            try:
                await _settled(close())
            except Exception:
                log.exception("while stopping")
        self._closing.clear()

    async def advance_to(self, moment: datetime) -> None:
        """Moves a manual clock, hour by hour; at each full hour MailWizz injects, then the hosts send.

        Raises ValueError if the clock is real or the moment lies in the past; a part's own failure as it is.
        """
        async with self._moving:
            if not self.clock.manual or moment < self.clock.now():
                self.clock.advance_to(moment)  # says what is wrong
            while self.clock.now() < moment:
                hour = self.clock.now().replace(minute=0, second=0, microsecond=0)
                self.clock.advance_to(min(moment, hour + STEP))
                for _, tick in self._ticks():
                    await _settled(tick())
                await asyncio.sleep(0)

    async def release(self) -> None:
        """Lives through the time that is missing until now, then goes on in real time. ValueError if time would go back."""
        if not self.clock.manual:
            return
        if self.clock.now() > datetime.now(UTC):
            raise ValueError(
                f"the lab's time {self.clock.now().isoformat()} is ahead of real time and cannot go back"
            )
        await self.advance_to(datetime.now(UTC))
        self.clock.release()

    async def beat(self) -> None:
        """Real time: moves every part about once a second, for ever. A part that fails is logged, and tried again."""
        while True:
            await asyncio.sleep(BEAT)
            if self.clock.manual:
                continue
            async with self._moving:
                for name, tick in self._ticks():
                    await self._survive(name, tick)

    async def _survive(self, name: str, tick: Callable[[], Any]) -> None:
        try:
            await _settled(tick())
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if self.last_error is None or self.last_error["error"] != text:
                log.exception("%s failed in its tick", name)
            self.last_error = {"part": name, "error": text, "at": self.clock.now().isoformat()}

    def _ticks(self) -> list[tuple[str, Callable[[], Any]]]:
        return [(name, part.tick) for name, part in (self.mailwizz | self.hosts).items()]

    async def _start_hosts(self) -> None:
        if not self.world.powermta:
            return
        from lab.powermta.host import Host
        from lab.powermta.recipients import Recipients

        recipients = Recipients(traffic=self.world.traffic)
        self.ports["powermta"] = {}
        for config in self.world.powermta:
            with _blaming(config.name):
                root = self.world.state / config.name
                ips = [str(ip) for ip in config.ips]
                nat = {str(local): str(public) for local, public in config.nat.items()}
                host = Host(config.name, root, ips, config.version, self.clock, recipients, nat)
                self._closing.append(host.close)
                self.ports["powermta"][config.name] = await host.start_ssh(
                    config.ssh_port,
                    config.host_key_file,
                    config.authorized_key,
                    config.username,
                    self.bind,
                )
                self.hosts[config.name] = host
                self.panel.add("powermta", host.knobs(), config.name)

    async def _start_mailwizz(self) -> None:
        if not self.world.mailwizz:
            return
        from lab.mailwizz import MailWizz

        self.ports["mailwizz"] = {}
        for config in self.world.mailwizz:
            with _blaming(config.name):
                mailwizz = MailWizz(config.settings, self.clock, self.hosts)
                self._closing.append(mailwizz.close)
                self.ports["mailwizz"][config.name] = await mailwizz.start(config.port, self.bind)
                self.mailwizz[config.name] = mailwizz
                self.panel.add("mailwizz", mailwizz.knobs(), config.name)

    async def _start_dns(self, config: DnsConfig) -> None:
        with _blaming("dns"):
            self.dns = DnsWorld(config, self.clock)
            self._closing.append(self.dns.stop)
            self.ports["dns"] = await self.dns.start(config.port, self.bind)
            self.panel.add("dns", self.dns.knobs())

    async def _start_telegram(self, config: TelegramConfig) -> None:
        from lab.telegram import Telegram

        with _blaming("telegram"):
            self.telegram = Telegram(config, self.clock)
            self._closing.append(self.telegram.close)
            self.ports["telegram"] = await self.telegram.start(config.port, self.bind)
            self.panel.add("telegram", self.telegram.knobs())

    async def _start_control(self) -> None:
        with _blaming("control"):
            server = HttpServer(control_app(self))
            self._closing.append(server.close)
            self.ports["control"] = await server.start(self.world.control.port, self.bind)


@contextlib.contextmanager
def _blaming(part: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = "cannot listen" if error.errno == errno.EADDRINUSE else "cannot start"
        raise StartError(f"{part} {what}: {error.strerror or error}") from error
    except Exception as error:
        raise StartError(f"{part} cannot start: {type(error).__name__}: {error}") from error


async def _settled(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


async def run(lab: Lab, *, parent: int | None = None) -> int:
    """Runs until SIGTERM or SIGINT, or until `parent` (a process id) is no longer ours; prints the ready line.

    Gives the exit status.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    beating = None
    watching = asyncio.create_task(_outlive(parent, stopping)) if parent else None
    try:
        starting = asyncio.ensure_future(lab.start())
        interrupted = asyncio.ensure_future(stopping.wait())
        await asyncio.wait({starting, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return 0
        await starting
        beating = asyncio.create_task(lab.beat())
        print(json.dumps({"ready": True, **lab.ports, "now": lab.clock.now().isoformat()}), flush=True)
        await interrupted
    except StartError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    finally:
        for task in filter(None, (beating, watching)):
            task.cancel()
        await lab.stop()
    return 0


async def _outlive(parent: int, stopping: asyncio.Event) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(BEAT)
    stopping.set()
