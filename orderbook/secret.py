"""Texts that must never be shown, and the three of them that make up a key.

A secret leaks by being printed: in a log line, an error's arguments, a dataclass's repr, a pickle. So it is wrapped
where it comes in, and only the code that signs or sends it unwraps it, with a word that can be searched for.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NoReturn, cast

from orderbook.errors import UsageError

_SHOWN: Final = "Secret(...)"
_PARTS: Final = ("KUCOIN_API_KEY", "KUCOIN_API_SECRET", "KUCOIN_API_PASSPHRASE")
_VERSION: Final = "KUCOIN_API_KEY_VERSION"


class Secret:
    """A text that shows itself to nobody but to ``reveal``.

    ``repr``, ``str`` and ``format`` give the same words for every secret. It cannot be pickled, copied or hashed, and
    comparing takes the same time wherever the texts differ.

    Raises:
        UsageError: Not a text.
    """

    __slots__ = ("__text",)
    __hash__: ClassVar[None]  # type: ignore[assignment]  # a dictionary's key would be a copy that outlives its use

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise UsageError(f"a secret is a text, not {type(text).__name__}")
        self.__text = text

    def reveal(self) -> str:
        """The text itself. Hand it on at once; store it nowhere."""
        return self.__text

    def __repr__(self) -> str:
        return _SHOWN

    def __format__(self, spec: str) -> str:
        # Whatever width was asked for: padding is not worth an error inside a log call.
        return _SHOWN

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self.__text), _bytes(other.__text))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs a request: the three parts of one key of the venue. Plain texts are wrapped, as by ``of``.

    Raises:
        UsageError: As ``of``.

    Attributes:
        key: The key's public name; it is treated as a secret too, because it identifies an account.
        secret: Signs.
        passphrase: Chosen when the key was made; only its signature is sent.
        version: As the venue's page shows it for the key.
    """

    key: Secret
    secret: Secret
    passphrase: Secret
    version: Literal[2, 3] = 3

    def __post_init__(self) -> None:
        for name in ("key", "secret", "passphrase"):
            part = getattr(self, name)
            text = part.reveal() if isinstance(part, Secret) else part
            _check(name, text)
            object.__setattr__(self, name, Secret(text))
        if not self.key.reveal().isascii() or " " in self.key.reveal():
            raise UsageError("the API key holds a character that no key has; copy it again")
        object.__setattr__(self, "version", _version(self.version))

    @classmethod
    def of(cls, key: str, secret: str, passphrase: str, *, version: int = 3) -> Credentials:
        """Wrap the three texts.

        Raises:
            UsageError: One is empty, holds a line break or another invisible character, or begins or ends with a
                blank: all of them slips of copying. The message names the part, never its content.
        """
        plain = cast("tuple[Secret, Secret, Secret]", (key, secret, passphrase))  # they are wrapped on their way in
        return cls(*plain, version=_version(version))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Credentials | None:
        """The key of ``KUCOIN_API_KEY``, ``KUCOIN_API_SECRET`` and ``KUCOIN_API_PASSPHRASE``.

        Args:
            environ: The environment, usually ``os.environ``. ``KUCOIN_API_KEY_VERSION`` (2 or 3) is read too.

        Returns:
            ``None`` when none of the three is set; empty counts as not set.

        Raises:
            UsageError: Only some are set, or one holds what no key holds.
        """
        found = {name: environ.get(name, "") for name in _PARTS}
        missing = [name for name, text in found.items() if not text]
        if len(missing) == len(found):
            return None
        if missing:
            raise UsageError(
                f"{' and '.join(missing)} missing from the environment: set all three of {', '.join(found)}, or none"
            )
        return cls.of(*found.values(), version=_version(environ.get(_VERSION) or 3))


def check_credentials(given: object) -> None:
    """Raise ``UsageError`` for what is neither ``Credentials`` nor ``None``, without showing it."""
    if given is not None and not isinstance(given, Credentials):
        raise UsageError(
            f"credentials are made by Credentials.of(key, secret, passphrase); {type(given).__name__} is something else"
        )


def _check(name: str, text: object) -> None:
    if not isinstance(text, str) or not text:
        raise UsageError(f"the API {name} is empty or no text")
    if not text.isprintable() or text != text.strip():
        raise UsageError(f"the API {name} holds a blank at an end or an invisible character; copy it again")


def _version(value: int | str) -> Literal[2, 3]:
    if str(value) == "2":
        return 2
    if str(value) == "3":
        return 3
    raise UsageError(f"the version of an API key is 2 or 3; check {_VERSION}")
