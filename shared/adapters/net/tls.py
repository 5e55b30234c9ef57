"""The one TLS context of all that this app connects to by itself.

Rules of this file:
1. One for all: reading the authorities takes 20 ms of CPU and a megabyte, and azure-servicebus would read them for each
   sender, and again for each connection that it has to open anew.
2. As httpx has it: certifi's authorities, or those of SSL_CERT_FILE or SSL_CERT_DIR where a network opens TLS.
"""

import functools
import os
import ssl

import certifi


@functools.cache
def tls_context() -> ssl.SSLContext:
    """For clients: certificates and host names are checked. Not to be changed, for everybody has it."""
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    return ssl.create_default_context(cafile=certifi.where())
