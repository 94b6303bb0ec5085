# Sourced by scripts/test, scripts/check and scripts/demo: makes the environment they run in.
#
#   source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"
#   ensure_environment test          # the extra to install: "" for none, dashboard, test, dev or bench
#   "$venv_python" -m pytest
#
# Sets `root` (the checkout) and `venv_python`. Settings, both optional:
#   PYTHON         the interpreter to make it from; else the first of python3, python3.14 ... that is new enough
#   CHATTER_VENV   where it stands; else .venv in the checkout
#
# Everything is called as `python -m x`: the scripts in an environment's bin/ name it by its full path, and so
# stop working when a checkout is moved.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="${CHATTER_VENV:-$root/.venv}"
case "$venv" in /*) ;; *) venv="$PWD/$venv" ;; esac
venv_python="$venv/bin/python"
# What was installed for which metadata; its being there also says that we made this folder, and may make it anew.
venv_stamp="$venv/.chatter-installed"

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# Prints the interpreter to make the environment from.
find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null || die "PYTHON=$PYTHON: no such program."
        is_new_enough "$PYTHON" ||
            die "PYTHON=$PYTHON is Python $(version_of "$PYTHON"), chatter needs 3.11 or later: name another one."
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    if command -v python3 >/dev/null; then
        die "python3 is Python $(version_of python3), chatter needs 3.11 or later: install one, or name it with PYTHON=..."
    fi
    die "there is no python3 here: install Python 3.11 or later (Debian 12 and later: apt-get install python3 python3-venv)."
}

# Is there an environment here that works, of the Python that was asked for?
venv_works() {
    [ -x "$venv_python" ] && is_new_enough "$venv_python" && "$venv_python" -c 'import pip' 2>/dev/null || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$venv_python")" ]
}

make_venv() {
    local python
    python="$(find_python)" || exit 1
    # Debian splits the standard library: without python3-venv, `-m venv` leaves half an environment behind.
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "Python $(version_of "$python") came without its venv module: apt-get install python3-venv (or python$(version_of "$python")-venv)."
    if [ -e "$venv" ] && [ "$venv" != "$root/.venv" ] && [ ! -e "$venv_stamp" ] && [ -n "$(ls -A "$venv")" ]; then
        die "$venv is there, was not made by these scripts and can't be used: remove it or set CHATTER_VENV to another place."
    fi
    echo "$(basename "$0"): making an environment in $venv" >&2
    mkdir -p "$venv" || die "can't write there: set CHATTER_VENV to a place of your own."
    "$python" -m venv --clear "$venv" || die "could not make an environment in $venv: see above."
    : >"$venv_stamp"
}

# has_extra EXTRA INSTALLED...: is it one of those, or part of one?
has_extra() {
    local extra="$1" installed
    shift
    [ -n "$extra" ] || return 0
    for installed in "$@"; do
        case "$installed:$extra" in
        "$extra:$extra" | dev:test | dev:dashboard | test:dashboard) return 0 ;;
        esac
    done
    return 1
}

# Installs the checkout, editable, with the extra named; again only when the metadata or the place has changed.
ensure_environment() {
    local extra="$1" wanted had
    # Two terminals may start at once: the second waits for the first. Without flock, or where an environment
    # made by somebody else is merely used, nothing is locked.
    if command -v flock >/dev/null && [ -w "$(dirname "$venv")" ]; then
        exec 9>"$venv.lock"
        flock 9
    fi
    venv_works || make_venv
    wanted="$(
        cd "$root" && "$venv_python" - <<'PYTHON'
import hashlib, os, pathlib, sys

text = b"".join(pathlib.Path(name).read_bytes() for name in ("setup.cfg", "pyproject.toml"))
# An editable install knows the packages that were there: until there was one, it found none.
found = pathlib.Path("chatter/__init__.py").exists()
print(hashlib.sha256(repr((text, found, os.getcwd(), sys.version)).encode()).hexdigest())
PYTHON
    )"
    had="$(cat "$venv_stamp" 2>/dev/null || true)"
    # For other metadata, nothing of it counts.
    case "$had" in "$wanted "*) ;; *) had="" ;; esac
    if [ -z "$had" ] || ! has_extra "$extra" ${had#"$wanted "}; then
        echo "$(basename "$0"): installing chatter${extra:+[$extra]} and what it needs" >&2
        (cd "$root" && "$venv_python" -m pip install --quiet --disable-pip-version-check -e ".${extra:+[$extra]}") ||
            die "the installation failed: see above; it needs the network, or a package index that pip is told of."
        echo "${had:-$wanted }${had:+ }$extra" >"$venv_stamp"
    fi
    exec 9>&-
}
