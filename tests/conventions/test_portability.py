"""The repository works on anybody's machine: no addresses of mirrors, no paths, no secrets."""

from __future__ import annotations

import re

# Split, so that this file does not find itself.
REGISTRY_HOSTS = re.compile(
    "|".join(
        name.replace(".", r"\.").replace("~", "")
        for name in (
            "py~pi.org",
            "python~hosted.org",
            "registry~.npmjs",
            "deb~.debian.org",
            "security~.debian.org",
            "repo~.maven",
            "repo1~.maven",
            "proxy~.golang.org",
            "static~.crates.io",
            "ghcr~.io",
            "docker~.io/",
        )
    ),
    re.IGNORECASE,
)
MACHINE_PATHS = re.compile(r"(?<![\w.$}/-])/(?:work/|farm/|home/\w+|Users/\w+|root/)")
SECRETS = re.compile(
    r"-----BEGIN (?:RSA |EC |OPENSSH |DSA )?PRIVATE KEY-----"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bglpat-[\w-]{20}\b"
    r"|\bxox[abpr]-[\w-]{10,}"
    r"|\bsk-[A-Za-z0-9]{32,}\b"
    r"|://[^/\s:@{}$]+:[^/\s:@{}$]{6,}@"
    r"|(?i:\b(?:password|api_key|secret|token)\s*[:=]\s*[\"'][A-Za-z0-9+/_-]{20,}[\"'])"
)
LARGEST_FILE_BYTES = 2_000_000
LOCKS = (
    "requirements.lock",
    "infra/setup/uv.lock",
    "infra/setup/cuda.lock",
    "infra/setup/models.lock",
    "k8s/controlplane/go.lock",
    "k8s/images/service.lock",
    "k8s/images/toolchain.lock",
)
# Docker's package is called docker.io in Debian; the licence names its own address.
EXEMPT = {"LICENSE"}


def matches(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {found[0]}"
        for name, text in texts.items()
        if name not in EXEMPT
        for number, line in enumerate(text.splitlines(), 1)
        if (found := pattern.search(line))
    ]


def loose_requirements(text: str) -> list[str]:
    """Find requirements of a lock that are not pinned, or pinned without a hash."""
    logical = text.replace("\\\n", " ").splitlines()
    return [
        line.split(" ")[0]
        for line in logical
        if line.strip()
        and not line.startswith("#")
        and not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ]


def test_no_file_names_a_package_registry(texts: dict[str, str]) -> None:
    assert matches(REGISTRY_HOSTS, texts) == []


def test_no_file_names_a_path_of_one_machine(texts: dict[str, str]) -> None:
    assert matches(MACHINE_PATHS, texts) == []


def test_no_file_holds_a_secret(texts: dict[str, str]) -> None:
    assert matches(SECRETS, texts) == []


def test_no_file_is_too_large_for_a_repository(texts: dict[str, str]) -> None:
    assert [name for name, text in texts.items() if len(text) > LARGEST_FILE_BYTES] == []


def test_every_lock_pins_by_hash_and_names_no_address(texts: dict[str, str]) -> None:
    for name in LOCKS:
        assert loose_requirements(texts[name]) == [], name
        assert "//" not in texts[name], name


def test_planted_addresses_and_paths_are_found() -> None:
    host = "https://py" + "pi.org/simple"
    assert matches(REGISTRY_HOSTS, {"a": host}) != []
    assert matches(MACHINE_PATHS, {"a": "x = '/wo" + "rk/main'"}) != []
    assert matches(MACHINE_PATHS, {"a": "x = '{cache}/wo" + "rk/main'"}) == []


def test_planted_secrets_are_found() -> None:
    assert matches(SECRETS, {"a": "AKIA" + "A" * 16}) != []
    assert matches(SECRETS, {"a": "https://user:" + "hunter22@host"}) != []
    assert matches(SECRETS, {"a": 'token = "' + "a1" * 12 + '"'}) != []
    assert matches(SECRETS, {"a": "token = secrets.token_urlsafe(32)"}) == []


def test_planted_loose_requirements_are_found() -> None:
    pinned = "a==1 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    assert loose_requirements(pinned) == []
    assert loose_requirements(pinned + "b>=2\nc==3\n") == ["b>=2", "c==3"]
