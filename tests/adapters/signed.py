"""Pictures with a manifest of provenance (C2PA), signed by a chain of two certificates that is made here."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_MANIFEST = """{"claim_generator_info": [{"name": "somebody", "version": "1"}], "title": "a picture",
"assertions": [{"label": "c2pa.actions", "data": {"actions": [{"action": "c2pa.created",
"digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"}]}}]}"""


def _named(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _certificate(name: str, key: Any, issuer: str, signer: Any, *, is_root: bool) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(is_root=is_root), critical=True)
    )
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, is_root: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_root,
        crl_sign=is_root,
        encipher_only=False,
        decipher_only=False,
    )


def signed(content: bytes, content_type: str, *, thumbnail: bool = False) -> bytes:
    """The picture with a manifest. With ``thumbnail`` the manifest contains a small copy of the picture."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = (
        _certificate("leaf", leaf, "root", root, is_root=False),
        _certificate("root", root, "root", root, is_root=True),
    )
    pem = "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in chain)

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(leaf.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    settings = c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": thumbnail}}})
    signer = c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, pem, None)
    into = io.BytesIO()
    with c2pa.Context(settings) as context, c2pa.Builder(_MANIFEST, context=context) as builder:
        builder.sign(signer, content_type, io.BytesIO(content), into)
    return into.getvalue()
