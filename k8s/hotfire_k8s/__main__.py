"""The commands behind `make cluster`: up, down, status and build."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from hotfire_infra.errors import InfraError
from hotfire_infra.executors.processes import identify
from hotfire_infra.settings import read_settings
from hotfire_k8s import building, lifecycle, pruning
from hotfire_k8s.errors import ClusterError
from hotfire_k8s.home import Home
from hotfire_k8s.products import CONTROL_PLANE, PRODUCTS, REAL_NODE
from hotfire_pipelines.errors import PipelineError

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


def home_of(arguments: argparse.Namespace) -> Home:
    """Return the cluster that a command is about."""
    return Home.at(arguments.home or read_settings().home / "cluster")


def up(arguments: argparse.Namespace) -> int:
    """Bring the cluster up, and say how to use it."""
    home = home_of(arguments)
    request = lifecycle.Request(
        nodes=arguments.nodes,
        kueue=arguments.kueue,
        queues=arguments.queues,
        real_node=arguments.real_node,
        owner=str(identify(arguments.owner)) if arguments.owner else None,
    )
    if arguments.kubeconfig:
        description = lifecycle.adopt(home, arguments.kubeconfig, say)
    else:
        description = lifecycle.up(home, request, say)
    if arguments.output == "json":
        print(json.dumps(description, indent=2))
        return 0
    what = ["a control plane", f"{description['nodes']:,} simulated nodes"]
    what += ["Kueue"] if description["kueue"] else []
    if description["real_node"]:
        what.append(f"the real node {description['real_node']}")
    say(f"ready: {', '.join(what)}")
    if description["why_no_real_node"]:
        say(f"no real node: {description['why_no_real_node']}")
    print(f"export KUBECONFIG={description['kubeconfig']}")
    say("paste the line above, then for instance: kubectl get nodes; make cluster-down ends it")
    return 0


def down(arguments: argparse.Namespace) -> int:
    """Take the cluster away."""
    lifecycle.down(home_of(arguments), say)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Print each component's state; 3 unless all are healthy."""
    home = home_of(arguments)
    found = lifecycle.status(home, say)
    if arguments.output == "json":
        rows = [{"name": row.name, "state": row.state, "note": row.note} for row in found]
        print(json.dumps({"home": str(home.folder), "components": rows}, indent=2))
    for row in found if arguments.output == "text" else ():
        print(f"{row.name:<24} {row.state:<10} {row.note}")
    if not found:
        say(f"there is no cluster at {home.folder}: python -m hotfire_k8s up")
    elif any(row.state != "healthy" for row in found):
        say("not all of it is well: python -m hotfire_k8s up repairs it")
    return 0 if found and all(row.state == "healthy" for row in found) else 3


def load(arguments: argparse.Namespace) -> int:
    """Import image archives into the real node."""
    home = home_of(arguments)
    for archive in arguments.archives:
        lifecycle.load_image(home, archive)
        say(f"{archive} is on the real node")
    return 0


def prune(arguments: argparse.Namespace) -> int:
    """Remove from the user's cache what this checkout makes no use of."""
    found = pruning.prune(say, removes=not arguments.dry_run)
    size = sum(one.size for one in found) / 1e6
    what = "would be freed" if arguments.dry_run else "freed"
    say(f"{size:,.0f} MB {what}, {len(found)} things")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    known = sorted(program for product in PRODUCTS for program in product.programs)
    top = argparse.ArgumentParser(prog="python -m hotfire_k8s", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--home", type=Path, help="folder of the cluster (.hotfire/cluster)")
    place.add_argument("-o", "--output", choices=("text", "json"), default="text")

    command = commands.add_parser("up", parents=[place], help="bring the cluster up, or repair it")
    command.add_argument("--nodes", type=int, help="simulated nodes (1000); 0: none")
    kueue = command.add_mutually_exclusive_group()
    kueue.add_argument("--kueue", action="store_true", default=None, help="with Kueue (default)")
    kueue.add_argument("--no-kueue", dest="kueue", action="store_false", help="without Kueue")
    real = command.add_mutually_exclusive_group()
    real.add_argument(
        "--real-node", action="store_true", default=None, help="insist on a real node"
    )
    real.add_argument("--no-real-node", dest="real_node", action="store_false", help="without one")
    existing = "start nothing: describe the cluster of this file (kind get kubeconfig > FILE)"
    command.add_argument("--kubeconfig", type=Path, metavar="FILE", help=existing)
    until = "process that the cluster shall not outlive"
    command.add_argument("--owner", type=int, metavar="PID", help=until)
    queues = "without the catalogue's flavors and queues"
    command.add_argument(
        "--no-queues", dest="queues", action="store_false", default=None, help=queues
    )
    command.set_defaults(act=up)

    command = commands.add_parser("down", parents=[place], help="take it away, leave nothing")
    command.set_defaults(act=down)
    command = commands.add_parser("status", parents=[place], help="say how each component is")
    command.set_defaults(act=status)
    command = commands.add_parser("load", parents=[place], help="import images into the real node")
    command.add_argument("archives", nargs="+", type=Path, metavar="IMAGE.tar")
    command.set_defaults(act=load)

    command = commands.add_parser("build", help="build the programs that the cache has not")
    command.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(known))
    command.add_argument("--real-node", action="store_true", help="also those of a real node")
    command.set_defaults(act=build)
    command = commands.add_parser("prune", help="remove old programs and layers from the cache")
    command.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    command.set_defaults(act=prune)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit code is 0, 2 (usage) or 3 (infrastructure)."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.act(arguments))
    except (ClusterError, InfraError) as error:
        print(f"cluster: {error}", file=sys.stderr)
        return error.exit_code
    except PipelineError as error:
        # The catalogue of platforms is wrong; the message names file and line.
        print(f"cluster: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cluster: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
