"""Where the program ``local-queue`` is."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from ._errors import BinaryNotFoundError

NAME = "local-queue" + (sysconfig.get_config_var("EXE") or "")
VARIABLE = "LOCAL_QUEUE_BINARY"


def find_binary() -> str:
    """The path of ``local-queue``: what ``LOCAL_QUEUE_BINARY`` names, else the program of this installation, else that of PATH."""
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_file():
            raise BinaryNotFoundError(f"{VARIABLE} names {named}, where there is no file")
        return named
    places = list(dict.fromkeys(_places()))
    for place in places:
        if place.is_file():
            return str(place)
    found = shutil.which(NAME)
    if found:
        return found
    looked = ", ".join(str(place.parent) for place in places)
    raise BinaryNotFoundError(
        f"{NAME} is neither in {looked} nor on the PATH; install the wheel local-queue again, or set {VARIABLE} to its path"
    )


def _places() -> Iterator[Path]:
    yield Path(sysconfig.get_path("scripts")) / NAME
    # `pip install --user`.
    yield Path(sysconfig.get_path("scripts", scheme=_user_scheme())) / NAME
    # `pip install --target DIR`, and a virtual environment whose packages another interpreter imports.
    package = Path(__file__).resolve().parent
    yield package.parent / "bin" / NAME
    if len(package.parents) > 3:
        yield package.parents[3] / "bin" / NAME


def _user_scheme() -> str:
    if sys.version_info >= (3, 10):
        return sysconfig.get_preferred_scheme("user")
    return "nt_user" if os.name == "nt" else "posix_user"
