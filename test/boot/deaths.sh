# A thousand drivers die holding everything that a driver can hold: nothing of it is left.
. test/boot/lib.sh

with_prog deaths
init <<'EOF'
deaths 1000
EOF
CPUS=2 TIMEOUT=300 boot
expect 'deaths: all right'
