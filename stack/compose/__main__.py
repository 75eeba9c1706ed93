"""`python -m stack.compose`: `secrets` on the host; `databases`, `connection` and `login` inside the service `init`; `lab` inside
`lab-init`."""

import argparse
import os
import sys
from pathlib import Path

from stack.compose.secret_files import SecretsRefused, container_user, hand_over, make_secrets

MOUNTED = Path("/run/secrets")


def make(root: Path) -> None:
    """`secrets/`, the folder of the fleet file, and the containers' user in `.env`."""
    folder = root / "secrets"
    user = container_user(root / ".env")
    made = make_secrets(folder)
    hand_over(folder, user)
    if not (fleet := root / "fleet").is_dir():
        fleet.mkdir()
        fleet.chmod(0o755)  # whatever the umask: the containers' user must see into it
        if os.geteuid() == 0:
            os.chown(fleet, user, -1)  # the profile `lab` puts the example there
    print(
        f"{folder}: {len(made)} made, {len(list(folder.iterdir())) - len(made)} were there; for user {user}"
    )
    if not (fleet / "fleet.yaml").exists():
        print("Next: put your fleet.yaml into fleet/ (the example: include/config/fleet.yaml)")


def step(name: str, folder: Path) -> int:
    from email_engine.errors import EngineError  # `secrets` does without the product's packages
    from stack.compose import steps

    try:
        match name:
            case "databases":
                print(f"databases and roles stand: {', '.join(steps.prepare_databases(folder))}")
            case "connection":
                steps.write_connection(folder)
                print(f"connection {steps.CONNECTION} is written")
            case "login":
                made = steps.ensure_login(folder)
                print(f"login {steps.ADMIN}: {'made' if made else 'was there, its password stays'}")
            case "lab":
                from stack.compose.lab import prepare_lab

                print(f"these connections lead to the lab: {', '.join(prepare_lab(folder))}")
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 refused."""
    parser = argparse.ArgumentParser(prog="python -m stack.compose", description=__doc__)
    parser.add_argument("step", nargs="+", choices=["secrets", "databases", "connection", "login", "lab"])
    mounted = Path(os.environ.get("EMAIL_ENGINE_SECRETS") or MOUNTED)
    try:
        for chosen in parser.parse_args(arguments).step:
            if chosen == "secrets":
                make(Path.cwd())
            elif refused := step(chosen, mounted):
                return refused
    except (SecretsRefused, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
