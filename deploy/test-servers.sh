#!/bin/sh
# The tests use the real servers that users have: this installs the Debian packages they come in.
# No daemon of theirs is started; the tests start what they need themselves, on loopback.
set -eu
missing=
need() { [ -e "$1" ] || missing="$missing $2"; }
need /usr/bin/prometheus prometheus
need /usr/bin/prometheus-node-exporter prometheus-node-exporter
need /usr/bin/victoria-metrics victoria-metrics
need /usr/bin/chromium chromium
need /usr/bin/sadf sysstat
need /usr/bin/openssl openssl
need /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf fonts-dejavu-core # Chromium brings none
"${PYTHON3:-python3}" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" != 0 ]; then
    echo "the tests need these Debian packages:$missing" >&2
    echo "install them with: sudo apt-get install$missing" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" # "do not start it", as Debian's packages ask
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
echo "installing$missing"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
