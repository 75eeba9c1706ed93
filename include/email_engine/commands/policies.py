"""The options `--fleet` and `--policy` of the commands that decide without a database."""

import argparse
from pathlib import Path

from email_engine.errors import InputError
from email_engine.fleet.config_file import read_text
from email_engine.fleet.model import Fleet
from email_engine.fleet.read import read_fleet
from email_engine.paths import fleet_path
from email_engine.warmup.policy import Policy
from email_engine.warmup.policy_file import load_policy, parse_policy

SHIPPED = "shipped"


def add_fleet_and_policy(parser: argparse.ArgumentParser, *, several: bool) -> None:
    """`--fleet`, and `--policy` once or, with `several`, again for each policy to compare."""
    parser.add_argument(
        "--fleet",
        metavar="F",
        type=Path,
        help="the fleet file; default: EMAIL_ENGINE_FLEET, else the example",
    )
    text = "a policy file, or `shipped`; default: shipped"
    parser.add_argument(
        "--policy",
        metavar="P",
        action="append",
        help=text + ("; again for each one to compare" if several else ""),
    )
    parser.set_defaults(several=several)


def chosen_fleet(args: argparse.Namespace) -> Fleet:
    """The fleet of `--fleet`; raises what `read_fleet` raises."""
    return read_fleet(args.fleet or fleet_path())


def chosen_policies(args: argparse.Namespace) -> dict[str, Policy]:
    """Each policy by its name: the file's, or its whole path where two are called alike."""
    given: list[str] = args.policy or [SHIPPED]
    if len(given) > 1 and not args.several:
        raise InputError("--policy", f"{len(given)} policies", "one", "name the policy once")
    stems = [Path(one).stem for one in given]
    found: dict[str, Policy] = {}
    for one, stem in zip(given, stems, strict=True):
        name = stem if stems.count(stem) == 1 else one
        if name in found:
            raise InputError("--policy", f"{one} twice", "each policy once", "name another, or leave it out")
        path = Path(one)
        found[name] = (
            load_policy() if one == SHIPPED else parse_policy(read_text(path, "policy file"), path.name)
        )
    return found
