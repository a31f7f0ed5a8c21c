"""Certificates for the local KuCoin, from an authority that lives as long as the process: good ones, and bad ones.

Nothing here weakens a check. A client is given a context that trusts this one authority and checks everything; what a
bad certificate must lead to is a refusal.

    pip install 'orderbook-engine[testing]'
"""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Literal, get_args

from orderbook.errors import UsageError, shown

if TYPE_CHECKING:
    import trustme

Flaw = Literal["expired", "not_yet_valid", "wrong_host", "self_signed", "other_authority"]
"""What can be wrong with a certificate."""

FLAWS: Final[tuple[Flaw, ...]] = get_args(Flaw)
HOSTS: Final = ("127.0.0.1", "::1", "localhost")
"""Whom a good certificate is for."""
MARK: Final = "Certificate of a throw-away authority, made by `orderbook simulate`.\n"
"""Stands before the certificate in a file of ours; readers of PEM pass over it."""
_LONG_AGO: Final = datetime(2001, 1, 1, tzinfo=UTC)
_FAR_OFF: Final = datetime(2999, 1, 1, tzinfo=UTC)


class Authority:
    """A certificate authority that nobody trusts but who is told to.

    Raises:
        UsageError: The package ``trustme`` is not installed.
    """

    def __init__(self) -> None:
        self._root = _new_root()

    @property
    def certificate(self) -> str:
        """Its own certificate, as PEM: what a client has to trust."""
        return self._root.cert_pem.bytes().decode("ascii")

    def client_context(self) -> ssl.SSLContext:
        """For ``open_feed(tls=...)``: checks certificates and host names, and trusts this authority alone."""
        return ssl.create_default_context(cadata=self.certificate)

    def server_context(self, flaw: Flaw | None = None) -> ssl.SSLContext:
        """For ``LocalKuCoin(tls=...)``: with a certificate for this machine, or with a bad one.

        Raises:
            UsageError: No such flaw.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.present(context, flaw)
        return context

    def present(self, context: ssl.SSLContext, flaw: Flaw | None = None) -> None:
        """Have a server show another certificate from its next connection on.

        Args:
            context: What the server was started with.
            flaw: What shall be wrong with the certificate; ``None``: nothing.

        Raises:
            UsageError: No such flaw.
        """
        pem = self._leaf(flaw)
        # OpenSSL reads a chain from a file only; its key is as short-lived as the authority, and nobody else reads it.
        with TemporaryDirectory() as folder:
            path = Path(folder) / "leaf.pem"
            path.touch(0o600)
            path.write_bytes(pem)
            context.load_cert_chain(path)

    def write(self, path: Path) -> None:
        """Write the certificate, for clients that read it from a file.

        Args:
            path: A new file, or one that was written by this method, which is replaced.

        Raises:
            UsageError: There is something else already.
            OSError: It cannot be written.
        """
        if os.path.lexists(path) and not _is_ours(path):
            raise UsageError(f"{path}: it exists, and `orderbook simulate` did not write it; choose another name")
        made = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            made.write_text(MARK + self.certificate, encoding="ascii")
            made.replace(path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise

    def _leaf(self, flaw: Flaw | None) -> bytes:
        """Key and certificate, as PEM."""
        match flaw:
            case None:
                leaf = self._root.issue_cert(*HOSTS)
            case "expired":
                leaf = self._root.issue_cert(*HOSTS, not_after=_LONG_AGO)
            case "not_yet_valid":
                leaf = self._root.issue_cert(*HOSTS, not_before=_FAR_OFF)
            case "wrong_host":
                leaf = self._root.issue_cert("api.kucoin.invalid")
            case "other_authority":
                leaf = _new_root().issue_cert(*HOSTS)
            case "self_signed":
                own = _new_root()
                return own.private_key_pem.bytes() + own.cert_pem.bytes()
            case _:
                raise UsageError(f"a certificate can be {', '.join(FLAWS)}, not {shown(flaw)}")
        return leaf.private_key_and_cert_chain_pem.bytes()


def _new_root() -> trustme.CA:
    try:
        import trustme  # noqa: PLC0415 - an extra: the local KuCoin runs without it
    except ImportError:
        raise UsageError(
            "certificates are made by the package trustme, which is missing: pip install 'orderbook-engine[testing]' "
            "(in a checkout: '.[testing]')"
        ) from None
    return trustme.CA()


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK.encode()
