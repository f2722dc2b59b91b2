#!/usr/bin/env bash
# Prepare this checkout: .venv, compilers and emulators, model weights, the CUDA compiler.
#   setup.sh run     what `make run` needs
#   setup.sh test    that, and what only the tests need (a browser, Maven, a Kubernetes control plane)
#   setup.sh cluster what `make cluster` needs: the Python set, runc and CNI plugins
# Idempotent: a stamp of everything that decides the outcome makes the next call immediate.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

profile=${1:-run}
case $profile in
  run | test | cluster) ;;
  *) echo "setup: unknown profile '$profile'; it is 'run', 'test' or 'cluster'" >&2; exit 2 ;;
esac
cache=${HOTFIRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hotfire}
export HOTFIRE_CACHE=$cache

inputs_digest() {
  { echo "$PWD" "$cache" "$profile" "$EUID"
    # Somebody else may have installed Wine since: then the prefix is still to be made.
    [ -x /usr/lib/wine/wine64 ] && echo wine
    cat pyproject.toml requirements.lock infra/setup/*.sh infra/setup/*.py infra/setup/*.lock
    cat inference/pyproject.toml 2>/dev/null || true
    [ "$profile" = run ] || cat k8s/controlplane/*/go.* k8s/hotfire_k8s/products.py 2>/dev/null || true
  } | sha256sum | cut -d' ' -f1
}

# The stamp's first line is the digest; each further line is a path that has to exist still.
is_current() {
  local stamp=$1 digest=$2 first path
  [ -f "$stamp" ] || return 1
  { read -r first
    [ "$first" = "$digest" ] || return 1
    while read -r path; do [ -e "$path" ] || return 1; done
  } < "$stamp"
}

install_python() {
  if [ "$EUID" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup: Hotfire needs Python 3.11 or later with the venv module (Debian: python3 python3-venv)" >&2
    echo "       and cannot install it without root. Install it, then run make setup again." >&2
    exit 1
  fi
  echo "setup: python      installing python3 and python3-venv"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
      --no-install-recommends python3 python3-venv ca-certificates
  } >/dev/null 2>&1 || {
    echo "setup: apt-get could not install python3 and python3-venv; try it by hand to see why" >&2
    exit 1
  }
}

# Prints the first interpreter that is new enough and able to make a virtual environment.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3.11 python3 python3.13 python3.12; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
    then echo "$candidate"; return 0; fi
  done
  return 1
}

digest=$(inputs_digest)
stamp=.venv/.setup-$profile
if is_current "$stamp" "$digest"; then
  echo "setup: up to date"
  exit 0
fi

started=$SECONDS
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  python=$(find_python) || {
    install_python
    python=$(find_python) || { echo "setup: no Python 3.11 or later after the installation" >&2; exit 1; }
  }
  echo "setup: python      .venv with $("$python" --version)"
  "$python" -m venv --clear .venv
fi
.venv/bin/python infra/setup/provision.py --profile "$profile" --cache "$cache" \
  --stamp "$stamp" --digest "$digest"
# Numba compiles at first use; whoever asks first for changes of a series should not wait for that.
if .venv/bin/python -c 'import numba' 2>/dev/null; then
  echo "setup: detector    compiling the change detector, once (10 to 30 s)"
  .venv/bin/python -m hotfire_infra.analysis.changepoints
fi
echo "setup: ready after $((SECONDS - started)) s"
