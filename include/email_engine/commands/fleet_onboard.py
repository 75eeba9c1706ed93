"""`email-engine fleet onboard`: the plan of `fleet_onboard` from a shell, and its lines into the fleet file."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from email_engine.commands.output import add_json, emit
from email_engine.onboarding.request import FORM

_HELP = {
    "tenant": "whose IPs they become",
    "stream": "one of the tenant's; or a new one",
    "range": "45.123.10.1-50, 45.123.10.1-45.123.13.200, or a single address",
    "hostname": "PTR and HELO, with {n} for the number: mail{n}.aurora-mail.example",
    "domain": "sending domains, with {n} and, if you like, {prefix}",
    "prefixes": "what {prefix} becomes in turn: news,info,letter (default: mail)",
    "host": "MTA host, or several with commas (default: where there is room)",
    "vmta": "virtual MTAs (default: TENANT-STREAM-{n})",
    "selector": "DKIM selector (default: s1)",
    "key_path": "DKIM key file on the MTA host (default: /etc/pmta/dkim/{domain}.pem)",
    "bind_first": "behind NAT: what PowerMTA binds for the first; the others follow it",
    "mx": "hosts that take bounces of the new domains, with commas; where the fleet file does not say",
    "rua": "the address for DMARC reports",
    "consent": "new stream: how its readers agreed",
    "risk_class": "new stream: standard or protected",
    "mailwizz": "new stream: its MailWizz instance",
    "daily_target": "new stream: messages a UTC day of one IP, fully warmed",
    "schedule": "new stream: default six_week",
    "pool": "new stream: default TENANT-STREAM",
    "title": "new tenant: its name for people",
    "daily_quota": "new tenant: messages a UTC day over all its IPs",
    "brand_domains": "new tenant: domains that never send",
}
_NEEDED = ("tenant", "stream", "range", "hostname", "domain")


def configure_onboard(parser: argparse.ArgumentParser) -> None:
    """Adds FILE, a flag for each field of the form, and `--apply`."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=Path, help="default: EMAIL_ENGINE_FLEET, else the example"
    )
    for key in FORM:
        flag = f"--{key.replace('_', '-')}"
        parser.add_argument(
            flag, dest=f"form_{key}", metavar="TEXT", help=_HELP[key], required=key in _NEEDED
        )
    parser.add_argument(
        "--apply",
        action="store_true",
        help="add the lines to FILE, and write the records and delivery servers beside it",
    )
    add_json(parser)


def onboard(args: argparse.Namespace) -> int:
    """Exit 1 while the lines are only shown, 0 once the file has them."""
    from email_engine.errors import InputError
    from email_engine.fleet.config_file import read_text
    from email_engine.onboarding.plan import plan_onboarding
    from email_engine.onboarding.policy import shipped_onboard_policy
    from email_engine.onboarding.request import read_request
    from email_engine.onboarding.words import describe
    from email_engine.paths import CONFIG
    from email_engine.pipelines.fleet_onboard.fleet_file import replace_text
    from email_engine.pipelines.fleet_onboard.papers import folder_of, papers, write_papers
    from email_engine.plain_text import plain
    from email_engine.warmup.policy_file import load_policy

    given = {key: getattr(args, f"form_{key}") for key in FORM if getattr(args, f"form_{key}") is not None}
    today, text = datetime.now(UTC).date(), read_text(args.file, "fleet file")
    request, policy = read_request(given), shipped_onboard_policy()
    made = plan_onboarding(text, args.file.name, request, today, policy.ips_per_host)
    told, folder = plain(describe(made, load_policy(), today)), None
    if args.apply:
        if args.file.resolve().parent == CONFIG.resolve():
            raise InputError(
                str(args.file), "the example that ships, which is nobody's fleet", "a fleet file of your own",
                "copy it, and name the copy or set EMAIL_ENGINE_FLEET",
            )  # fmt: skip
        if not made.done_before:
            write_papers(folder_of(args.file, made.ips), {"fleet.yaml.before": text})
            replace_text(args.file, text, made.text)
        folder = folder_of(args.file, made.ips)
        stored = write_papers(folder, papers(made, {}))
        told += (
            f"\n\nWritten: {args.file}" + (f", and what you publish in {folder}" if stored else "")
            + f"\nNext: email-engine fleet apply {args.file}, then email-engine fleet records {args.file} --missing"
        )  # fmt: skip
    emit(
        args,
        {
            "ips": [
                {"address": str(ip.address), "hostname": ip.hostname, "domain": ip.domain, "vmta": ip.vmta, "mta_host": ip.mta_host}
                for ip in made.ips
            ],
            "added": list(made.added), "notes": list(made.notes), "done_before": made.done_before,
            "applied": args.apply, "folder": str(folder) if folder else None,
        },
        told,
    )  # fmt: skip
    return 0 if args.apply or made.done_before else 1
