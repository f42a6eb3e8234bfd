#!/usr/bin/env bash
#
# Prints the path of promtool: the one on the PATH, or else the one out of Debian's package of Prometheus, unpacked into the user cache (VECMILL_CACHE) and not installed, so that no service
# begins. Needs apt-get and dpkg-deb for that.
set -euo pipefail
if command -v promtool; then
  exit 0
fi
cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vecmill}
dir=$cache/promtool
if [ ! -x "$dir/promtool" ]; then
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo 'promtool not found: install Prometheus' >&2; exit 1; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && { apt-get download -qq -o APT::Sandbox::User=root prometheus || { apt-get update -qq && apt-get download -qq -o APT::Sandbox::User=root prometheus; }; }) >&2
  dpkg-deb -x "$work"/prometheus_*.deb "$work/root"
  mkdir -p "$dir"
  cp "$work/root/usr/bin/promtool" "$dir/promtool.$$"
  mv "$dir/promtool.$$" "$dir/promtool"
fi
echo "$dir/promtool"
