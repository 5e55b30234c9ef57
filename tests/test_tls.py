"""The one TLS context: it checks whom it talks to, and takes the authorities that the environment names."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from shared.adapters.net.tls import tls_context


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Made anew in each test, and for whoever comes after."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


def test_there_is_one_and_it_checks() -> None:
    """Certificates and host names, against the authorities that everybody knows."""
    context = tls_context()
    assert tls_context() is context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 50


def test_the_authority_of_a_network_takes_their_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SSL_CERT_FILE, as httpx and OpenSSL know it."""
    file = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert tls_context().cert_store_stats()["x509_ca"] == 1


def test_a_folder_of_authorities_takes_their_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SSL_CERT_DIR: they are looked up there by need, so none of the others is loaded."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert tls_context().cert_store_stats()["x509_ca"] == 0
