"""What applications take into their own processes is small and stands alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
MODULE = ROOT / "clients/pattern-engine-js"
IMPORTS = """
import sys
before = set(sys.modules)
import pattern_engine.handlers
print("\\n".join(set(sys.modules) - before))
"""


def test_the_handlers_import_nothing_else() -> None:
    """Neither another module of the engine nor a package: only the standard library."""
    command = [sys.executable, "-c", IMPORTS]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    own = {name for name in loaded if name.partition(".")[0] == "pattern_engine"}
    assert own > {"pattern_engine", "pattern_engine.handlers"}
    assert {name.split(".")[1] for name in own if "." in name} == {"handlers"}
    others = {name.partition(".")[0] for name in set(loaded) - own}
    assert others <= sys.stdlib_module_names


def test_the_javascript_module_is_small() -> None:
    """What is shipped has at most 3 KB, imports nothing, and has types beside it."""
    package = json.loads((MODULE / "package.json").read_text())
    shipped = package["exports"]["."]
    code = (MODULE / shipped["default"]).read_bytes()
    assert len(code) <= 3 * 1024
    assert b"import " not in code
    assert b"require(" not in code
    assert not {"dependencies", "peerDependencies", "optionalDependencies"} & package.keys()
    files = {path.name for path in MODULE.iterdir()}
    assert files == {*package["files"], "package.json"}
    assert (MODULE / shipped["types"]).name in files
