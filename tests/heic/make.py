#!/usr/bin/env python3
"""Makes the HEIC files of this folder, and beside each what libheif decodes it to.

    python3 -m venv VENV && VENV/bin/pip install pillow-heif==1.8.1 numpy && VENV/bin/python tests/heic/make.py

Pictures are computed, so they are free of rights. libheif with x265 codes them; the boxes around what is coded are written
here, because the files need what no encoder makes: grids, turns, crops, a primary image that is not the first.
"""

import io
import pathlib
import struct

import numpy
import pillow_heif
from PIL import Image, ImageCms

FOLDER = pathlib.Path(__file__).parent


def picture(width, height, left=0, top=0, whole=None):
    """A part of a soft picture whose corners differ: red grows to the right, green downwards, blue along a diagonal."""
    whole_width, whole_height = whole or (width, height)
    y, x = numpy.mgrid[top : top + height, left : left + width].astype(float)
    red = 20 + 215 * x / max(whole_width - 1, 1)
    green = 235 - 215 * y / max(whole_height - 1, 1)
    blue = 128 + 100 * numpy.sin((x + 2 * y) / 14)
    return numpy.stack([red, green, blue], axis=-1)


def alpha(width, height):
    """Opaque at the left, clear at the right."""
    x = numpy.linspace(255, 0, width)
    return numpy.broadcast_to(x, (height, width))


def eight(values):
    return numpy.clip(numpy.round(values), 0, 255).astype(numpy.uint8)


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind, version, flags, *parts):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def boxes(data, at, end):
    while at + 8 <= end:
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        length = length or end - at
        yield kind, at + 8, at + length
        at += length


def coded(values, mode="RGB", bits=8, chroma=420, quality=90, nclx=None):
    """What x265 makes of a picture: its configuration and its data, without libheif's boxes."""
    height, width = values.shape[:2]
    if bits > 8:
        raw = numpy.clip(numpy.round(values * 65535 / 255), 0, 65535).astype("<u2").tobytes()
        file = pillow_heif.from_bytes(f"{mode};16", (width, height), raw)
        pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    else:
        file = pillow_heif.from_bytes(mode, (width, height), eight(values).tobytes())
    out = io.BytesIO()
    options = {"quality": quality, "chroma": chroma, "save_nclx_profile": nclx is not None}
    options.update(nclx or {})
    file.save(out, **options)
    data = out.getvalue()
    found = {kind: (start, end) for kind, start, end in boxes(data, 0, len(data))}
    start, end = found[b"meta"]
    meta = {kind: (start, end) for kind, start, end in boxes(data, start + 4, end)}
    ipco = next((s, e) for kind, s, e in boxes(data, *meta[b"iprp"]) if kind == b"ipco")
    own = {kind: data[s - 8 : e] for kind, s, e in boxes(data, *ipco)}
    # The only item with data is the picture, so its data is the whole of mdat.
    start, end = found[b"mdat"]
    kept = [own[kind] for kind in (b"hvcC", b"ispe", b"clap") if kind in own]
    return {"type": b"hvc1", "data": data[start:end], "own": kept}


def ispe(width, height):
    return full(b"ispe", 0, 0, struct.pack(">II", width, height))


def irot(quarters):
    return box(b"irot", bytes([quarters]))


def imir(axis):
    return box(b"imir", bytes([axis]))


def clap(width, height, right, down):
    return box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, *right, *down))


def nclx(primaries, transfer, matrix, whole_range):
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, matrix, whole_range << 7))


def profile(icc):
    return box(b"colr", b"prof", icc)


def aux_alpha():
    return full(b"auxC", 0, 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")


def grid(rows, columns, width, height):
    return bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", width, height)


def item(image, *properties):
    """A coded image as an item with these properties besides those of its coding."""
    return {**image, "properties": image["own"] + list(properties)}


def derived(kind, data, size, *properties):
    return {"type": kind, "data": data, "inline": True, "properties": [ispe(*size), *properties]}


def heif(items, references=(), primary=1, brand=b"heic", brands=(b"mif1", b"heic"), exif=None):
    """A file of these items, numbered from 1. References are (kind, from, [to])."""
    items = list(items)
    references = list(references)
    if exif is not None:
        items.append({"type": b"Exif", "data": struct.pack(">I", 0) + exif, "properties": []})
        references.append((b"cdsc", len(items), [primary]))
    shared, associations = [], b""
    for number, one in enumerate(items, 1):
        indices = b""
        for each in one["properties"]:
            if each not in shared:
                shared.append(each)
            essential = each[4:8] in (b"hvcC", b"irot", b"imir", b"clap")
            indices += bytes([essential << 7 | shared.index(each) + 1])
        if indices:
            associations += struct.pack(">HB", number, len(indices)) + indices
    count = sum(1 for one in items if one["properties"])
    ipma = full(b"ipma", 0, 0, struct.pack(">I", count), associations)
    infos = b"".join(
        full(b"infe", 2, 1 if number != primary else 0, struct.pack(">HH4s", number, 0, one["type"]), b"\0")
        for number, one in enumerate(items, 1)
    )
    refs = b"".join(
        box(kind, struct.pack(">HH", source, len(targets)), *(struct.pack(">H", to) for to in targets))
        for kind, source, targets in references
    )
    inline = b"".join(one["data"] for one in items if one.get("inline"))

    def meta(data_at):
        entries, place, inline_at = b"", data_at, 0
        for number, one in enumerate(items, 1):
            length = len(one["data"])
            at = inline_at if one.get("inline") else place
            entries += struct.pack(">HHHHII", number, int(one.get("inline", False)), 0, 1, at, length)
            if one.get("inline"):
                inline_at += length
            else:
                place += length
        parts = [
            full(b"hdlr", 0, 0, b"\0\0\0\0pict", bytes(13)),
            full(b"pitm", 0, 0, struct.pack(">H", primary)),
            full(b"iinf", 0, 0, struct.pack(">H", len(items)), infos),
            box(b"iprp", box(b"ipco", *shared), ipma),
            full(b"iloc", 1, 0, bytes([0x44, 0]), struct.pack(">H", len(items)), entries),
        ]
        if refs:
            parts.append(full(b"iref", 0, 0, refs))
        if inline:
            parts.append(box(b"idat", inline))
        return full(b"meta", 0, 0, *parts)

    ftyp = box(b"ftyp", brand, bytes(4), *brands)
    data = b"".join(one["data"] for one in items if not one.get("inline"))
    data_at = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(data_at) + box(b"mdat", data)


def exif(orientation):
    return b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">H", orientation) + bytes(6)


def display_p3():
    """A matrix profile with the primaries of Display P3 and the curve of sRGB."""
    srgb = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    count = struct.unpack(">I", srgb[128:132])[0]
    for index in range(count):
        name, at, _ = struct.unpack(">4sII", srgb[132 + 12 * index : 144 + 12 * index])
        if name in primaries:
            srgb[at + 8 : at + 20] = struct.pack(">iii", *(round(value * 65536) for value in primaries[name]))
    return bytes(srgb)


def tiles(width, height, side):
    """A picture in a grid of squares; those at the right and at the bottom hang over."""
    rows, columns = -(-height // side), -(-width // side)
    parts = [
        coded(picture(side, side, column * side, row * side, (width, height)), quality=92)
        for row in range(rows)
        for column in range(columns)
    ]
    return rows, columns, parts


def files():
    plain = coded(picture(80, 64))
    yield "plain", heif([item(plain)])
    yield "mif1", heif([item(plain)], brand=b"mif1")
    yield "odd", heif([item(coded(picture(75, 67)))])
    yield "444", heif([item(coded(picture(80, 64), chroma=444))])
    yield "422", heif([item(coded(picture(80, 64), chroma=422))])
    yield "gray", heif([item(coded(picture(80, 64)[..., 0], mode="L"))])
    yield "10-bit", heif([item(coded(picture(80, 64), bits=10))])
    yield "12-bit", heif([item(coded(picture(80, 64), bits=12))])
    for quarters in (1, 2, 3):
        # EXIF says something else, and is not asked.
        yield f"irot-{90 * quarters}", heif([item(plain, irot(quarters))], exif=exif(6))
    for axis in (0, 1):
        yield f"imir-{axis}", heif([item(plain, imir(axis))])
    yield "irot-90-imir-0", heif([item(plain, irot(1), imir(0))])
    yield "imir-1-irot-90", heif([item(plain, imir(1), irot(1))])
    yield "exif-6", heif([item(plain)], exif=exif(6))
    yield "clap", heif([item(plain, clap(31, 22, (-13, 2), (-8, 2)))])
    yield "clap-irot-90", heif([item(plain, clap(30, 22, (10, 1), (5, 1)), irot(1))])
    rows, columns, parts = tiles(150, 110, 64)
    size = (150, 110)
    numbers = list(range(2, 2 + len(parts)))
    shape = grid(rows, columns, *size)
    hidden = [item(part) for part in parts]
    yield "grid", heif([derived(b"grid", shape, size)] + hidden, [(b"dimg", 1, numbers)])
    yield (
        "grid-irot-90",
        heif([derived(b"grid", shape, size, irot(1), profile(display_p3()))] + hidden, [(b"dimg", 1, numbers)]),
    )
    yield "icc-p3", heif([item(plain, profile(display_p3()))])
    yield "nclx-p3", heif([item(plain, nclx(12, 13, 6, 1))])
    limited = coded(picture(80, 64), nclx={"full_range_flag": 0, "matrix_coefficients": 1, "color_primaries": 1})
    yield "nclx-709-limited", heif([item(limited, nclx(1, 13, 1, 0))])
    opacity = coded(alpha(80, 64), mode="L")
    yield "alpha", heif([item(plain), item(opacity, aux_alpha())], [(b"auxl", 2, [1])])
    multiplied = coded(picture(80, 64) * alpha(80, 64)[..., None] / 255, chroma=444, quality=95)
    yield (
        "alpha-premultiplied",
        heif([item(multiplied), item(opacity, aux_alpha())], [(b"auxl", 2, [1]), (b"prem", 1, [2])]),
    )
    other = coded(255 - picture(64, 64))
    yield "primary-second", heif([item(other), item(plain)], primary=2)
    for chroma in (420, 444):
        flat = coded(numpy.full((3000, 4000, 3), 120.0), chroma=chroma, quality=50)
        yield f"flat-{chroma}", heif([item(flat)])
    yield "thumbnail", heif([item(plain), item(other)], [(b"thmb", 2, [1])])


def main():
    for old in FOLDER.glob("*.heic"):
        old.unlink()
    for name, data in files():
        (FOLDER / f"{name}.heic").write_bytes(data)
        if name.startswith("flat"):
            print(f"{name:20} {len(data):6} bytes")
            continue
        read = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        image = read.to_pillow()
        if image.mode == "RGBa":
            image = image.convert("RGBA")
        image.info.clear()
        image.save(FOLDER / f"{name}.png", optimize=True)
        print(f"{name:20} {len(data):6} bytes, {image.mode} {image.size}")


if __name__ == "__main__":
    main()
