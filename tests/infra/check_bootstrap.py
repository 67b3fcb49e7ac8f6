"""Checks what Lambda will start: check_bootstrap.py ZIP, as cargo lambda build --output-format zip makes it."""

import http.server
import io
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection

# Amazon Linux 2023, on which provided.al2023 runs, has glibc 2.34, and these libraries.
GLIBC_MAX = (2, 34)
LIBRARIES = {"ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1", "libm.so.6"}
BYTES_MAX = 12 << 20
STARTS = 21


def glibc_needs(elf: ELFFile) -> set[tuple[int, ...]]:
    """The versions of glibc whose symbols are used."""
    names = set()
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, versions in section.iter_versions():
                names |= {version.name for version in versions}
    found = (re.fullmatch(r"GLIBC_([0-9.]+)", name) for name in names)
    return {tuple(map(int, match[1].split("."))) for match in found if match}


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    """Notes when the function first asks for an invocation, and lets it wait."""

    def do_GET(self) -> None:
        if self.path == "/2018-06-01/runtime/invocation/next":
            self.server.asked.set()
            self.server.over.wait()

    def log_message(self, *_) -> None:
        pass


def start(bootstrap: pathlib.Path) -> tuple[float, float]:
    """Milliseconds from the start of the process until it asks for an invocation, and the MB that it then holds."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi) as server:
        server.asked, server.over = threading.Event(), threading.Event()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "resize",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        began = time.perf_counter()
        process = subprocess.Popen([bootstrap], env=environment)
        try:
            assert server.asked.wait(10), "bootstrap did not ask for an invocation within 10 s"
            milliseconds = (time.perf_counter() - began) * 1000
            resident = pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()[1]
        finally:
            process.kill()
            process.wait()
            server.over.set()
            server.shutdown()
        return milliseconds, int(resident) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    with zipfile.ZipFile(sys.argv[1]) as package:
        (entry,) = package.infolist()
        binary = package.read(entry)
    assert entry.filename == "bootstrap", entry
    mode = entry.external_attr >> 16
    assert mode & 0o111 == 0o111, f"bootstrap has mode {mode:o}; expected it to be executable by all"

    elf = ELFFile(io.BytesIO(binary))
    assert elf["e_machine"] == "EM_X86_64", elf["e_machine"]
    assert elf.get_section_by_name(".symtab") is None, "bootstrap is not stripped"
    needs = glibc_needs(elf)
    assert needs and max(needs) <= GLIBC_MAX, f"bootstrap needs glibc {sorted(needs)}"
    libraries = {
        tag.needed
        for section in elf.iter_sections()
        if isinstance(section, DynamicSection)
        for tag in section.iter_tags()
        if tag.entry.d_tag == "DT_NEEDED"
    }
    assert libraries <= LIBRARIES, f"bootstrap needs {libraries - LIBRARIES}"
    # cargo lambda makes panics abort unless the profile says that they unwind; then one job would end its whole batch.
    symbols = elf.get_section_by_name(".dynsym")
    assert isinstance(symbols, SymbolTableSection) and symbols.get_symbol_by_name("_Unwind_RaiseException"), (
        "panics of bootstrap do not unwind"
    )
    assert len(binary) <= BYTES_MAX, f"bootstrap has {len(binary)} bytes; expected {BYTES_MAX} at most"
    with open(sys.argv[1], "rb") as package:
        zipped = package.seek(0, io.SEEK_END)
    newest = ".".join(map(str, max(needs)))
    with tempfile.TemporaryDirectory() as folder:
        bootstrap = pathlib.Path(folder, "bootstrap")
        bootstrap.write_bytes(binary)
        bootstrap.chmod(0o755)
        starts = [start(bootstrap) for _ in range(STARTS)]
    milliseconds, megabytes = (statistics.median(values) for values in zip(*starts))
    print(f"bootstrap: {len(binary):,} bytes, {zipped:,} zipped, glibc {newest}, {', '.join(sorted(libraries))}")
    print(f"bootstrap: asks for an invocation after {milliseconds:.1f} ms (median of {STARTS}), with {megabytes:.1f} MB")


main()
