"""Who may talk to a batch's scheduler and workers.

Whoever reaches one of Dask's can run code as its user. So this machine's listen on loopback only,
those of a cluster speak TLS, and neither serves a dashboard.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunelimit.errors import PruneLimitError

if TYPE_CHECKING:
    from distributed.security import Security

CA, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"
NO_DASHBOARD: dict[str, Any] = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
"""What is left of Dask's web server says, on loopback, that the process lives."""
NO_PAGES = {
    f"distributed.{role}.http.routes": ["distributed.http.health"]
    for role in ("scheduler", "worker")
}


def given_security(folder: Path) -> Security:
    """TLS with the certificates in `folder`; both ends have to show one that the CA has signed.

    Raises
    ------
    PruneLimitError
        If a file is missing.
    """
    for name in (CA, CERTIFICATE, KEY):
        if not (folder / name).is_file():
            raise PruneLimitError(
                f"{str(folder)!r} has no {name}; --tls takes a folder with {CA}, {CERTIFICATE} and "
                f"{KEY} (the book's page on batches shows how to make them)"
            )
    from distributed.security import Security

    certificate, key = (str((folder / name).absolute()) for name in (CERTIFICATE, KEY))
    roles = ("scheduler", "worker", "client")
    files = {f"tls_{role}_cert": certificate for role in roles}
    files |= {f"tls_{role}_key": key for role in roles}
    return Security(tls_ca_file=str((folder / CA).absolute()), require_encryption=True, **files)


def temporary_security() -> Security:
    """TLS with a certificate of this process's own, for this batch alone."""
    from distributed.security import Security

    return Security.temporary()
