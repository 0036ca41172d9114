"""Packs directories of Python packages as one executable file; run by `cargo xtask bundle` with the interpreter that the file is for.

Installs nothing and looks at no other directory. The same input gives the same bytes: entries are in ascending order, without times of
their own, not compressed. Beside each source lies its bytecode, which that interpreter takes as it is, without a look at the source.

Usage: pack.py OUT SHEBANG MODULE:FUNCTION DIRECTORY…
"""

from __future__ import annotations

import os
import py_compile
import sys
import tempfile
import zipfile
from pathlib import Path

MAIN = """\
import sys

from {module} import {function}

sys.exit({function}())
"""
# What an installer writes about itself and the machine.
LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "entry_points.txt"}


def files(directories: list[Path]) -> dict[str, bytes]:
    """What goes in, by its path in the archive. A path that two directories have is an error."""
    found: dict[str, bytes] = {}
    for directory in directories:
        for path in directory.rglob("*"):
            name = path.relative_to(directory).as_posix()
            if not path.is_file() or "__pycache__" in name or name.startswith("bin/"):
                continue
            if ".dist-info/" in name and path.name in LEFT_OUT:
                continue
            if name in found:
                sys.exit(f"`{name}` is in two of the packages")
            found[name] = path.read_bytes()
    return found


def compiled(name: str, source: bytes, scratch: Path) -> bytes:
    """The bytecode of a source. Tracebacks name it by its path in the archive."""
    path, target = scratch / "source.py", scratch / "source.pyc"
    path.write_bytes(source)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(path), cfile=str(target), dfile=name, doraise=True, invalidation_mode=mode)
    return target.read_bytes()


def main() -> None:
    out, shebang, entry, *directories = sys.argv[1:]
    module, _, function = entry.partition(":")
    entries = files([Path(directory) for directory in directories])
    entries["__main__.py"] = MAIN.format(module=module, function=function).encode()
    with tempfile.TemporaryDirectory() as scratch:
        sources = [name for name in sorted(entries) if name.endswith(".py")]
        for name in sources:
            entries[f"{name}c"] = compiled(name, entries[name], Path(scratch))
    with open(out, "wb") as file:
        file.write(f"#!{shebang}\n".encode())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(entries):
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.create_system = 3
                info.external_attr = 0o644 << 16
                archive.writestr(info, entries[name])
    os.chmod(out, 0o755)


if __name__ == "__main__":
    main()
