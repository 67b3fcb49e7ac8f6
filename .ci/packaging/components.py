"""What of others is in a program, and under which licences: components.py PACKAGE TARGET MUSL_NOTICE|- LICENSES SBOM

Writes the licence texts into the folder LICENSES, and to SBOM a list in CycloneDX's format. Both come from what Cargo
says of the package as it is built for the target. A component without any licence text that can be found is an error.
"""

import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import uuid

LICENSE_FILE = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense|patents)", re.IGNORECASE)
# Deep enough for what a crate brings along of C libraries.
LICENSE_DEPTH = 4
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated \
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights \
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to \
whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE \
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR \
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, \
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class Components:
    """The crates of a program as it is built for a target, the program first."""

    def __init__(self, package: str, target: str) -> None:
        metadata = json.loads(run("cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={target}"))
        self.packages = {(it["name"], it["version"]): it for it in metadata["packages"]}
        self.own = {key for key, it in self.packages.items() if it["source"] is None}
        lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text())
        self.checksums = {(it["name"], it["version"]): it.get("checksum") for it in lock["package"]}
        self.uses: dict[tuple[str, str], list[tuple[str, str]]] = {}
        # Macros run when the program is built, and so do build dependencies: neither is in it.
        lines = run(
            *("cargo", "tree", "--locked", "--package", package, "--edges=normal,no-proc-macro", f"--target={target}"),
            *("--prefix=depth", "--format= {p}"),
        )
        path: list[tuple[str, str]] = []
        for line in lines.splitlines():
            depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
            key = (name, version)
            self.uses.setdefault(key, [])
            path[int(depth) :] = [key]
            if len(path) > 1 and key not in self.uses[path[-2]]:
                self.uses[path[-2]].append(key)
        self.root = path[0]

    def others(self) -> list[tuple[str, str]]:
        return sorted(key for key in self.uses if key not in self.own)


def expression(package: dict) -> str:
    """A licence by SPDX; older manifests have a slash."""
    return re.sub(r"\s*/\s*", " OR ", package["license"] or "")


def texts(package: dict) -> list[tuple[str, str]]:
    """The licence files of a crate, and of what it brings along."""
    folder = pathlib.Path(package["manifest_path"]).parent
    found = [path for path in folder.rglob("*") if path.is_file() and LICENSE_FILE.match(path.name)]
    found = [path for path in found if len(path.relative_to(folder).parts) <= LICENSE_DEPTH]
    found = [path for path in found if path.suffix.lower() in {"", ".md", ".txt", ".mit"} or path.suffix.isupper()]
    named = package["license_file"]
    if named and folder / named not in found:
        found.append(folder / named)
    return [(path.relative_to(folder).as_posix(), path.read_text(errors="replace").strip()) for path in sorted(found)]


def standard_text(package: dict, all_texts: dict[str, list[str]]) -> str | None:
    """The text of a licence that a crate names and does not bring."""
    names = re.split(r" OR | AND |[()]", expression(package))
    authors = ", ".join(package["authors"]) or f"the authors of {package['name']}"
    if "MIT" in names:
        return f"Copyright (c) {authors}\n\n{MIT}"
    if "Apache-2.0" in names:
        apache = [text for text in all_texts if "Apache License" in text[:200] and "END OF TERMS AND CONDITIONS" in text]
        return min(apache, key=len) if apache else None
    return None


def notices(components: Components) -> str:
    """A list of the components, and each text once, with those that it is of."""
    by_text: dict[str, list[str]] = {}
    own_texts = {key: texts(components.packages[key]) for key in components.others()}
    for (name, version), files in own_texts.items():
        for file, text in files:
            by_text.setdefault(text, []).append(f"{name} {version}: {file}")
    for key, files in own_texts.items():
        if not files:
            package = components.packages[key]
            text = standard_text(package, by_text)
            if text is None:
                sys.exit(f"components.py: {key[0]} {key[1]} ({expression(package)}) brings no licence text")
            by_text.setdefault(text, []).append(f"{key[0]} {key[1]}: {expression(package)}, of which it brings no text")
    name, version = components.root
    lines = [f"What {name} {version} contains of others, each with its licence; the texts follow.", ""]
    lines += [f"{key[0]} {key[1]}: {expression(components.packages[key])}" for key in components.others()]
    for text, of in sorted(by_text.items(), key=lambda item: item[1]):
        lines += ["", "=" * 78, *of, "-" * 78, "", text]
    return "\n".join(lines) + "\n"


def purl(key: tuple[str, str]) -> str:
    return f"pkg:cargo/{key[0]}@{key[1]}"


def component(components: Components, key: tuple[str, str], kind: str) -> dict:
    package = components.packages[key]
    described = {"type": kind, "bom-ref": purl(key), "name": key[0], "version": key[1], "purl": purl(key)}
    described["licenses"] = [{"expression": expression(package)}]
    if checksum := components.checksums.get(key):
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        described["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return described


def runtime(target: str) -> list[dict]:
    """What the compiler adds: Rust's standard library, and the C library if it is static."""
    version = re.search(r"^release: (\S+)", run("rustc", "-vV"), re.MULTILINE).group(1)
    standard = {"name": "rust-std", "version": version, "licenses": [{"expression": "MIT OR Apache-2.0"}]}
    found = [standard]
    if target.endswith("-musl"):
        found.append({"name": "musl", "licenses": [{"expression": "MIT"}]})
    return [{"type": "library", "bom-ref": f"runtime:{it['name']}"} | it for it in found]


def sbom(components: Components, target: str) -> dict:
    made = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC)
    used = [key for key in sorted(components.uses) if key != components.root]
    added = runtime(target)
    graph = {purl(key): sorted(map(purl, uses)) for key, uses in sorted(components.uses.items())}
    graph[purl(components.root)] += [it["bom-ref"] for it in added]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": component(components, components.root, "application"),
            "properties": [{"name": "cdx:rustc:sbom:target:triple", "value": target}],
        },
        "components": [component(components, key, "library") for key in used] + added,
        "dependencies": [{"ref": ref, "dependsOn": uses} for ref, uses in graph.items()],
    }
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()
    return {"serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=5)}"} | document


def main() -> None:
    package, target, musl_notice, licenses, output = sys.argv[1:]
    components = Components(package, target)
    folder = pathlib.Path(licenses)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "crates.txt").write_text(notices(components))
    standard = pathlib.Path(run("rustc", "--print=sysroot").strip()) / "share/doc/rust/COPYRIGHT-library.html"
    shutil.copyfile(standard, folder / "rust-standard-library.html")
    if musl_notice != "-":
        shutil.copyfile(musl_notice, folder / "musl.txt")
    pathlib.Path(output).write_text(json.dumps(sbom(components, target), indent=1) + "\n")


if __name__ == "__main__":
    main()
