"""Archives whose bytes depend on nothing but the files: archive.py FOLDER OUTPUT.tar.gz

The folder becomes the one at the top of the archive. Times are SOURCE_DATE_EPOCH.
"""

import gzip
import io
import os
import pathlib
import sys
import tarfile


def epoch() -> int:
    """Seconds since 1970 at which everything was made."""
    return int(os.environ["SOURCE_DATE_EPOCH"])


def add(archive: tarfile.TarFile, name: str, source: pathlib.Path | None, mode: int | None = None, owner: int = 0) -> None:
    """Adds a file, or the folder that no source stands for; of a file's mode counts whether it is a program."""
    entry = tarfile.TarInfo(name)
    entry.mtime, entry.uid, entry.gid = epoch(), owner, owner
    if source is None:
        entry.type, entry.mode = tarfile.DIRTYPE, mode or 0o755
        archive.addfile(entry)
        return
    data = source.read_bytes()
    entry.size = len(data)
    entry.mode = mode or (0o755 if source.stat().st_mode & 0o100 else 0o644)
    archive.addfile(entry, io.BytesIO(data))


def add_tree(archive: tarfile.TarFile, folder: pathlib.Path, prefix: str) -> None:
    """Adds a folder and what is in it, by name."""
    add(archive, prefix, None)
    for path in sorted(folder.rglob("*")):
        name = f"{prefix}/{path.relative_to(folder).as_posix()}"
        add(archive, name, None if path.is_dir() else path)


def tree(folder: pathlib.Path) -> bytes:
    """A folder as a tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        add_tree(archive, folder, folder.name)
    return data.getvalue()


def packed(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=9, mtime=0)


def main() -> None:
    folder, output = map(pathlib.Path, sys.argv[1:])
    output.write_bytes(packed(tree(folder)))


if __name__ == "__main__":
    main()
