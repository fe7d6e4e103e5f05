#!/bin/sh
# The report's page is tested in a real browser: find Chromium or install it.
set -eu
bin=${1:-.venv/bin}
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then
    exit 0
  fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && exit 0
fi
"$bin/python" -m playwright install chromium && exit 0
echo "The page tests need Chromium: install it (Debian: apt-get install chromium) and run again." >&2
exit 1
