"""Generates the Python code of `espalier.v1` beside its .proto files.

    python proto/generate.py            write what the .proto files say
    python proto/generate.py --check    write nothing; fail if the committed code differs

This folder is protoc's include root and an import root at once, so the generated
`from espalier.v1 import ...` lines are right as they come out of protoc.

For every .proto file there are messages (`_pb2.py`) with their types (`_pb2.pyi`), and for one
that declares a service also its stub and servicer (`_pb2_grpc.py`, `_pb2_grpc.pyi`). The types
come from mypy-protobuf: it knows the names of a oneof and the async signatures of a servicer,
which protoc's own .pyi files do not say.
"""

import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent
SERVICE = re.compile(r"^service\s", re.MULTILINE)


def main() -> int:
    """Answers the exit code: 0 where all is as it should be, else 1."""
    parser = ArgumentParser(description="Generate the Python code of espalier.v1.")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    check: bool = parser.parse_args().check
    with TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        return compare(fresh) if check else replace(fresh)


def generate(target: Path) -> None:
    """Writes the code for every .proto file under `target`; exits where protoc finds fault."""
    protos = sorted(ROOT.glob("espalier/**/*.proto"))
    services = [path for path in protos if SERVICE.search(path.read_text("utf-8"))]
    if not protos:
        sys.exit(f"{ROOT / 'espalier'}: there are no .proto files to generate code from")
    protoc(protos, [f"--python_out={target}", f"--mypy_out=quiet:{target}"])
    if services:
        grpc_outputs = [f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet,only_async:{target}"]
        protoc(services, grpc_outputs)


def protoc(protos: Iterable[Path], outputs: list[str]) -> None:
    """Runs the pinned protoc, with the plugins that stand beside this interpreter."""
    beside = Path(sys.executable).parent
    plugins = [
        f"--plugin={name}={beside / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    ]
    sources = [path.relative_to(ROOT).as_posix() for path in protos]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", ".", *plugins, *outputs, *sources]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit("protoc failed: see its message above")


def generated(root: Path) -> dict[str, bytes]:
    """The generated files under `root`: the path relative to it, and the content."""
    files = (path for path in root.glob("espalier/**/*_pb2*") if path.suffix in {".py", ".pyi"})
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def compare(fresh: Path) -> int:
    """Prints a line for each file that is not as protoc makes it."""
    expected, found = generated(fresh), generated(ROOT)
    faults = [f"  missing  {name}" for name in expected.keys() - found.keys()]
    faults += [f"  surplus  {name}" for name in found.keys() - expected.keys()]
    faults += [
        f"  differs  {name}"
        for name in expected.keys() & found.keys()
        if expected[name] != found[name]
    ]
    if faults:
        print("The code under proto/ is not what its .proto files make:", file=sys.stderr)
        print(
            *sorted(faults), "Run `make generate` and commit the result.", sep="\n", file=sys.stderr
        )
    return 1 if faults else 0


def replace(fresh: Path) -> int:
    """Puts the new files beside their .proto files and removes those whose .proto is gone."""
    expected = generated(fresh)
    for name in generated(ROOT).keys() - expected.keys():
        (ROOT / name).unlink()
    for name in expected:
        shutil.copyfile(fresh / name, ROOT / name)
    print(f"{len(expected)} files generated under {ROOT / 'espalier'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
