#!/usr/bin/env bash
# Makes .venv with everything that development needs. Quick when there is nothing to do.
#
#   PYTHON=/path/to/python3.12 tools/setup.sh     take that interpreter
#   MEMSIM_NO_APT=1 tools/setup.sh                install no system package
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/.memsim-setup

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# --- system packages -------------------------------------------------------------------------------------------
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_apt() {
    [ -z "${MEMSIM_NO_APT:-}" ] && command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

apt_install() {
    can_apt || return 1
    local options=(-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=120)
    say "installing $* with apt-get"
    as_root apt-get "${options[@]}" update >/dev/null 2>&1 || true      # an old package list may still do
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y --no-install-recommends "$@" \
        >/dev/null 2>&1
}

# --- Python ----------------------------------------------------------------------------------------------------
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if is_new_enough "$candidate"; then command -v "$candidate"; return; fi
    done
    return 1
}

ensure_python() {
    find_python && return
    apt_install python3.11 python3.11-venv || apt_install python3 python3-venv || true
    find_python || die "Python 3.11 or newer is needed. Install it (apt-get install python3.12, brew install python)" \
        "and run this again, or name it: PYTHON=/path/to/python3 tools/setup.sh"
}

has_pip() { "$venv/bin/python" -m pip --version >/dev/null 2>&1; }

make_venv() {
    local python=$1 version
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "creating $venv with Python $version"
    "$python" -m venv "$venv" >/dev/null 2>&1 && has_pip && return
    # Debian and Ubuntu ship Python without ensurepip: the module is in a package of its own.
    rm -rf "$venv"
    if apt_install "python$version-venv" || apt_install python3-venv; then
        "$python" -m venv "$venv" >/dev/null 2>&1 && has_pip && return
    fi
    rm -rf "$venv"
    if "$python" -m venv --without-pip "$venv" && "$python" -m pip --python "$venv/bin/python" install -q pip; then
        has_pip && return
    fi
    rm -rf "$venv"
    die "cannot create a virtual environment: run 'apt-get install python$version-venv' as root, then this again"
}

# --- Vulkan: wgpu needs a driver, and a software one will do ------------------------------------------------------
has_vulkan() {
    [ "$(uname -s)" = Linux ] || return 0                                # macOS has Metal
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && return 0
    local folder
    for folder in /etc/vulkan/icd.d /usr/share/vulkan/icd.d /usr/local/share/vulkan/icd.d; do
        compgen -G "$folder/*.json" >/dev/null && return 0
    done
    return 1
}

ensure_vulkan() {
    has_vulkan && return
    apt_install mesa-vulkan-drivers libvulkan1 && has_vulkan && return
    say "no Vulkan driver found, and none could be installed: everything runs, except on a GPU through wgpu."
    say "for a software driver: apt-get install mesa-vulkan-drivers libvulkan1 (dnf: mesa-vulkan-drivers vulkan-loader)"
}

# OpenGL is a second way into the same software device: the tests compare values on both.
has_egl() {
    [ "$(uname -s)" = Linux ] || return 0
    { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep 'libEGL\.so\.1' >/dev/null
}

ensure_egl() {
    has_egl && return
    apt_install libegl1 libgl1-mesa-dri && has_egl && return
    say "no OpenGL driver found, and none could be installed: wgpu is checked on Vulkan alone, and its OpenGL tests fail."
    say "for a software driver: apt-get install libegl1 libgl1-mesa-dri (dnf: mesa-libEGL mesa-dri-drivers)"
}

# ---------------------------------------------------------------------------------------------------------------
wanted() { cat constraints.txt pyproject.toml tools/setup.sh; echo "$PWD"; }

fingerprint=$(wanted | cksum)
if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$fingerprint" ]; then
    exit 0
fi

if ! { [ -x "$venv/bin/python" ] && is_new_enough "$venv/bin/python" && has_pip; }; then
    interpreter=$(ensure_python)
    make_venv "$interpreter"
fi
say "installing the locked dependencies (a few minutes the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
    --editable ".[wgpu,docs,dev]"
ensure_vulkan
ensure_egl
printf '%s\n' "$fingerprint" >"$stamp"
say "ready: source $venv/bin/activate"
