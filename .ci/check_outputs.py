"""Checks what the first command of the README has made, from the files themselves: check_outputs.py THUMBS REPORT."""

import json
import pathlib
import struct
import sys

# Width and height of every output, by its path. The lighthouse is stored lying on its side; the moon is smaller than
# asked and is not enlarged.
EXPECTED = {
    "landscape/hills-at-dusk.jpg": (320, 213),
    "landscape/lake/mountain-lake.jpg": (320, 240),
    "misnamed/a-jpeg-called.jpg": (320, 213),
    "portrait/lighthouse.jpg": (320, 427),
    "still-life/fruit.webp": (320, 240),
    "still-life/marble.png": (320, 320),
    "still-life/moon.png": (256, 256),
}
BROKEN = "tests/photos/broken/torn-in-half.jpg"


def size(data: bytes) -> tuple[int, int]:
    """Width and height by the header of a PNG, a lossy WebP or a JPEG."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return struct.unpack(">II", data[16:24])
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9"):
        at = 2
        while True:
            marker, length = struct.unpack(">HH", data[at : at + 4])
            if 0xFFC0 <= marker <= 0xFFC2:
                height, width = struct.unpack(">HH", data[at + 5 : at + 9])
                return width, height
            at += 2 + length
    raise ValueError("neither PNG nor lossy WebP nor a whole JPEG")


def main() -> None:
    thumbs, report = pathlib.Path(sys.argv[1]), json.loads(pathlib.Path(sys.argv[2]).read_text())
    files = [path for path in thumbs.rglob("*") if path.is_file()]
    found = {path.relative_to(thumbs).as_posix(): size(path.read_bytes()) for path in files}
    assert found == EXPECTED, f"outputs are {found}"

    totals = report["totals"]
    counts = {name: totals[name] for name in ("images", "done", "retried", "dead_lettered", "outputs")}
    assert counts == {"images": 8, "done": 7, "retried": 0, "dead_lettered": 1, "outputs": 7}, counts
    assert totals["bytes_out"] == sum(path.stat().st_size for path in files), totals
    dead = [image for image in report["images"] if image["outcome"] == "dead-lettered"]
    assert [image["source"] for image in dead] == [BROKEN], dead
    assert dead[0]["kind"] == "bad-image" and dead[0]["reason"], dead
    print(f"{len(files)} outputs are as they should be, and the broken photo is the one dead letter")


main()
