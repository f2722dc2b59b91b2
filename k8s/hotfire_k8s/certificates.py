"""A certificate authority of the cluster's own, and what it signs; keys are elliptic (P-256)."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=365)
"""A cluster of this machine does not grow older; `up` after that makes a new one."""
# Clocks of containers and hosts differ by a little.
SKEW = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """Files of a certificate and its private key (mode 0600), both PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Signs certificates into one folder."""

    pair: KeyPair
    folder: Path

    def issue(
        self,
        file: str,
        name: str,
        *,
        groups: Sequence[str] = (),
        addresses: Sequence[str] = (),
    ) -> KeyPair:
        """Return the pair `<file>.crt`, `<file>.key`, made unless it is there.

        `name` and `groups` are what Kubernetes takes for user and groups; with `addresses` (names or
        numbers) the certificate is good for a server too.
        """
        pair = KeyPair(certificate=self.folder / f"{file}.crt", key=self.folder / f"{file}.key")
        if pair.certificate.exists():
            return pair
        key = _write_key(pair.key)
        subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if addresses:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        issuer = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes())
        builder = (
            _dated(x509.Name(subject), issuer.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        if addresses:
            names = x509.SubjectAlternativeName([_general_name(text) for text in addresses])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(_read_key(self.pair.key), hashes.SHA256())
        _write(pair.certificate, signed.public_bytes(serialization.Encoding.PEM), 0o644)
        return pair


def make_authority(folder: Path, name: str) -> Authority:
    """Return the authority `<name>.crt`, `<name>.key` of a folder, made unless it is there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = KeyPair(certificate=folder / f"{name}.crt", key=folder / f"{name}.key")
    if not pair.certificate.exists():
        key = _write_key(pair.key)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"hotfire-{name}")])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        signed = (
            _dated(subject, subject, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(pair.certificate, signed.public_bytes(serialization.Encoding.PEM), 0o644)
    return Authority(pair=pair, folder=folder)


def make_signing_key(folder: Path, name: str) -> KeyPair:
    """Return a bare key pair (`<name>.pub`, `<name>.key`), as for service account tokens."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = KeyPair(certificate=folder / f"{name}.pub", key=folder / f"{name}.key")
    if not pair.certificate.exists():
        public = _write_key(pair.key).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        _write(pair.certificate, public.public_bytes(serialization.Encoding.PEM, form), 0o644)
    return pair


def _dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(path, pem, 0o600)
    return key


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a whole file or none, with its mode from the start."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(content)
    part.replace(path)
