"""Where things live; the one module of this package that reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.errors import SourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Directories of this user and this checkout."""

    home: Path
    """Database, blobs and attempts: `$HOTFIRE_HOME`, else `.hotfire/` of the checkout."""
    cache: Path
    """Models, compiler cache, Wine prefixes: `$HOTFIRE_CACHE`, else below the user's cache."""
    user: str
    """Who asks, for the record."""
    configuration: Path = Path("service.yaml")
    """`$HOTFIRE_CONFIG`, which must exist, else `service.yaml` in `home`, which need not."""
    is_configuration_named: bool = False
    database: str | None = None
    """`$HOTFIRE_DATABASE`: address of a PostgreSQL (`postgresql://…`); none: SQLite in `home`."""
    server: str | None = None
    """`$HOTFIRE_SERVER`: the service that the CLI talks to; none: embedded."""
    token_file: Path | None = None
    """`$HOTFIRE_TOKEN_FILE`: file of mode 0600 with the token for `server`."""


def find_checkout(start: Path) -> Path:
    """Return the nearest directory upward that is a git checkout."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    raise SourceError(f"{start} is not inside a git checkout; run Hotfire inside one")


def read_settings(
    checkout: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Read the settings; `checkout` is needed only where `$HOTFIRE_HOME` is not set."""
    home = environ.get("HOTFIRE_HOME")
    cache = environ.get("HOTFIRE_CACHE")
    if not cache:
        base = environ.get("XDG_CACHE_HOME")
        cache = str((Path(base) if base else Path.home() / ".cache") / "hotfire")
    server = environ.get("HOTFIRE_SERVER") or None
    if not home:
        # A client of a service needs no checkout to look at runs.
        inside = Path(cache) / "client" if server else None
        home = str(inside or (checkout or find_checkout(Path.cwd())) / ".hotfire")
    token_file = environ.get("HOTFIRE_TOKEN_FILE")
    return Settings(
        is_configuration_named=bool(environ.get("HOTFIRE_CONFIG")),
        configuration=Path(environ.get("HOTFIRE_CONFIG") or Path(home) / "service.yaml").absolute(),
        database=environ.get("HOTFIRE_DATABASE") or None,
        server=server,
        token_file=Path(token_file) if token_file else None,
        home=Path(home).absolute(),
        cache=Path(cache).absolute(),
        user=environ.get("HOTFIRE_USER") or environ.get("USER") or f"uid-{os.getuid()}",
    )


def choose_server(url: str, environ: MutableMapping[str, str] = os.environ) -> None:
    """Let this process and what it starts talk to a service, as if `$HOTFIRE_SERVER` said so."""
    environ["HOTFIRE_SERVER"] = url


def executables_path(environ: Mapping[str, str] = os.environ) -> str:
    """Return where programs are looked for."""
    return environ.get("PATH", os.defpath)


def has_trace_collector(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the operator named a collector of traces (OpenTelemetry's own variables)."""
    named = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get(
        "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    return bool(named) and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|_KEY$")


def inherited_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what a runner inherits: enough to find programs and the user's cache, no secrets."""
    kept = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "TERM", "DISPLAY"}
    prefixes = ("LC_", "HOTFIRE_", "XDG_", "CUDA_", "NVIDIA_", "SSL_CERT_", "COVERAGE_")
    return {
        name: value
        for name, value in environ.items()
        if (name in kept or name.startswith(prefixes)) and not _SECRET.search(name)
    }
