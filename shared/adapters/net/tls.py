"""The TLS context that all connections of this app share.

Rules of this file:
1. One context for all. Reading the certificate authorities takes 20 ms of CPU and a megabyte, and azure-servicebus
   would read them for each sender, and again for each new connection.
2. The authorities are certifi's, or those of SSL_CERT_FILE or SSL_CERT_DIR, for networks whose proxy inspects TLS.
   httpx does the same.
"""

import functools
import os
import ssl

import certifi


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The context for client connections, which checks certificates and host names. Do not change it: it is shared."""
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    return ssl.create_default_context(cafile=certifi.where())
