"""The shared TLS context: it verifies servers, and trusts the authorities that the environment names."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from shared.adapters.net.tls import tls_context


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test makes a new context, and leaves none behind."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


def test_there_is_one_context_and_it_verifies() -> None:
    """It verifies certificates and host names, against the public authorities."""
    context = tls_context()
    assert tls_context() is context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 50


def test_a_networks_own_authority_replaces_the_public_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SSL_CERT_FILE names it, as for httpx and OpenSSL."""
    file = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert tls_context().cert_store_stats()["x509_ca"] == 1


def test_a_folder_of_authorities_replaces_the_public_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SSL_CERT_DIR names it. Its files are read when they are needed, so no authority is loaded at first."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert tls_context().cert_store_stats()["x509_ca"] == 0
