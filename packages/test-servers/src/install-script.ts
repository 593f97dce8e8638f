/**
 * Unpacks Debian packages: `$1` the folder to work in, `$2` the name of the result in it, `$3` the program that must run
 * in the end, then the packages.
 *
 * - The lock is the kernel's: a process that dies holding it lets it go.
 * - The system's package lists are used if they will do; else the lists are fetched into the work folder.
 * - `--reinstall` also downloads a package that the system has; what it needs is downloaded only where it is missing.
 * - The result appears by one rename, so that nobody runs half of it.
 */
export const installScript = `
set -eu
cache=$1; result=$1/$2; program=$3; shift 3
umask 022
exec 9>"$cache/lock"
flock -w 540 9
libraries() { for folder in "$1"/usr/lib/*-linux-* "$1"/lib/*-linux-*; do printf '%s:' "$folder"; done; }
runs() { LD_LIBRARY_PATH=$(libraries "$1") "$1/$program" --version >/dev/null 2>&1; }
if runs "$result"; then exit 0; fi
rm -rf "$cache"/work.*
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/lists/partial" "$work/root"
apt() {
  timeout 240 apt-get -q -y -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 -o Acquire::Retries=2 \\
    -o Acquire::http::Timeout=20 -o Dir::Cache="$work" -o Dir::Cache::archives="$work/archives" "$@" 9>&-
}
download() { apt "$@" --no-install-recommends --download-only --reinstall install $packages; }
packages=$*
if ! download; then
  apt -o Dir::State::lists="$work/lists" update
  download -o Dir::State::lists="$work/lists"
fi
for package in "$work"/archives/*.deb; do dpkg-deb -x "$package" "$work/root"; done
runs "$work/root" || { echo "$program does not run here" >&2; exit 1; }
rm -rf "$result"
mv "$work/root" "$result"
`
