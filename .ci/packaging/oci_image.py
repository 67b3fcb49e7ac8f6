"""An image of a container, by OCI's specification, from scratch and without Docker.

oci_image.py VERSION LICENSES LAYOUT ARCHIVE.tar ARCHITECTURE=BINARY...

LAYOUT is the folder of the image, ARCHIVE the same as a file. Times are SOURCE_DATE_EPOCH.
"""

import datetime
import hashlib
import io
import json
import pathlib
import shutil
import sys
import tarfile

import archive

NAME = "local-queue"
# As distroless images have it: a number needs no /etc/passwd, and Kubernetes' runAsNonRoot can check it.
USER = 65532
SECOND = 1_000_000_000


def layer(binary: pathlib.Path, licenses: pathlib.Path) -> bytes:
    """The files of the image as a tar: the program, its licences, and folders for data and temporary files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as files:
        archive.add(files, "data", None, mode=0o755, owner=USER)
        archive.add_tree(files, licenses, "licenses")
        archive.add(files, NAME, binary, mode=0o755)
        archive.add(files, "tmp", None, mode=0o1777)
    return data.getvalue()


class Layout:
    """The folder of an image."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def add(self, data: bytes, media_type: str) -> dict:
        """Keeps data under its digest; gives what refers to it."""
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(data)}

    def add_json(self, value: dict, media_type: str) -> dict:
        return self.add(as_json(value), f"{media_type}+json")


def as_json(value: dict) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def config(architecture: str, version: str, created: str, diff_id: str) -> dict:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {
            "User": f"{USER}:{USER}",
            "Entrypoint": [f"/{NAME}"],
            # Whoever reaches a published port of a container comes from another machine, by whatever name.
            "Cmd": ["serve", "--listen", "0.0.0.0:9324", "--trust-network"],
            "ExposedPorts": {"9324/tcp": {}},
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": NAME,
                "org.opencontainers.image.description": "An Amazon SQS emulator",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "MIT",
            },
            # Not of OCI's specification, which lets it be there: Docker reads it.
            "Healthcheck": {
                "Test": ["CMD", f"/{NAME}", "health"],
                "Interval": 10 * SECOND,
                "Timeout": 6 * SECOND,
                "StartPeriod": 5 * SECOND,
                "Retries": 3,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": created, "created_by": f"{NAME} {version}, from scratch"}],
    }


def main() -> None:
    version, licenses, folder, output, *binaries = sys.argv[1:]
    created = datetime.datetime.fromtimestamp(archive.epoch(), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    layout = Layout(pathlib.Path(folder))
    manifests = []
    for architecture, binary in (pair.split("=", 1) for pair in binaries):
        files = layer(pathlib.Path(binary), pathlib.Path(licenses))
        diff_id = f"sha256:{hashlib.sha256(files).hexdigest()}"
        stored = layout.add(archive.packed(files), "layer.v1.tar+gzip")
        described = layout.add_json(config(architecture, version, created, diff_id), "config.v1")
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described,
            "layers": [stored],
        }
        descriptor = layout.add_json(manifest, "manifest.v1")
        manifests.append(descriptor | {"platform": {"architecture": architecture, "os": "linux"}})
        print(f"{architecture}: {stored['size'] / 1e6:.2f} MB packed, {len(files) / 1e6:.2f} MB unpacked")
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    }
    # Of several platforms the name refers to their list, from which a reader takes its own.
    named = layout.add_json(index, "index.v1") if len(manifests) > 1 else manifests[0]
    named = named | {"annotations": {"org.opencontainers.image.ref.name": version}}
    (layout.folder / "index.json").write_bytes(as_json(index | {"manifests": [named]}))
    with tarfile.open(output, "w", format=tarfile.USTAR_FORMAT) as whole:
        for path in sorted(layout.folder.rglob("*")):
            archive.add(whole, path.relative_to(layout.folder).as_posix(), None if path.is_dir() else path)


if __name__ == "__main__":
    main()
