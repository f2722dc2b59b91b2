"""The commands behind `make cluster`: up, down, status and build."""

from __future__ import annotations

import argparse
import sys
import time

from hotfire_k8s import building
from hotfire_k8s.errors import ClusterError
from hotfire_k8s.products import CONTROL_PLANE, PRODUCTS, REAL_NODE

STARTED = time.monotonic()


def say(text: str) -> None:
    """Tell people how far it is; results alone go to standard output."""
    print(f"cluster: {time.monotonic() - STARTED:5.1f} s  {text}", file=sys.stderr, flush=True)


def build(arguments: argparse.Namespace) -> int:
    """Build programs and print where they are."""
    wanted = list(arguments.programs) or [*CONTROL_PLANE, "kueue"]
    if arguments.real_node:
        wanted += [program for program in REAL_NODE if program not in wanted]
    for path in building.ensure_programs(wanted, say).values():
        print(path)
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    known = sorted(program for product in PRODUCTS for program in product.programs)
    top = argparse.ArgumentParser(prog="python -m hotfire_k8s", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("build", help="build the programs that the cache has not")
    command.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(known))
    command.add_argument("--real-node", action="store_true", help="also those of a real node")
    command.set_defaults(act=build)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit code is 0, 2 (usage) or 3 (infrastructure)."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.act(arguments))
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("cluster: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
