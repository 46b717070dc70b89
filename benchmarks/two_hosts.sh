#!/usr/bin/env bash
# Run a program as two MPI ranks on two "hosts": network namespaces of this machine with a cable (veth) between them, as
# slow as wanted. Needs root, iproute2 and MPICH's mpiexec (pip install -r requirements-mpi.txt).
#
#   benchmarks/two_hosts.sh python train.py --steps 200 --distributed mpi --run runs/two
#   RATE=1gbit benchmarks/two_hosts.sh ...     no faster than that
#   DELAY=1ms benchmarks/two_hosts.sh ...      each way, where the kernel has netem (modprobe sch_netem)
#   python benchmarks/distributed.py --preset base --launcher benchmarks/two_hosts.sh
#
# The two share processors and files, but no address: what one says to the other goes over the cable.
set -euo pipefail

name=nt$$
first=10.199.0.1
second=10.199.0.2
work=$(mktemp -d)
cleanup() {
    ip netns delete "$name-a" 2> /dev/null || true
    ip netns delete "$name-b" 2> /dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

ip netns add "$name-a"
ip netns add "$name-b"
ip link add cable netns "$name-a" type veth peer name cable netns "$name-b"
for end in "a $first" "b $second"; do
    read -r side address <<< "$end"
    ip -n "$name-$side" address add "$address/24" dev cable
    ip -n "$name-$side" link set cable up
    ip -n "$name-$side" link set lo up
    if [ -n "${RATE:-}" ]; then
        ip netns exec "$name-$side" tc qdisc add dev cable root handle 1: tbf rate "$RATE" burst 256kb latency 100ms
    fi
    if [ -n "${DELAY:-}" ]; then
        ip netns exec "$name-$side" tc qdisc add dev cable $([ -n "${RATE:-}" ] && echo "parent 1:1" || echo root) netem delay "$DELAY" \
            2> "$work/tc" || { echo "two_hosts.sh: this kernel has no netem: no DELAY ($(cat "$work/tc"))" >&2; exit 2; }
    fi
done

# What mpiexec calls in the place of ssh: options, HOST, then the command line of its helper on that host.
cat > "$work/in_b" << WORDS
#!/bin/sh
while [ "\$1" != "$second" ]; do shift; done
shift
exec ip netns exec "$name-b" sh -c "\$*"
WORDS
chmod +x "$work/in_b"
ip netns exec "$name-a" mpiexec -localhost "$first" -launcher ssh -launcher-exec "$work/in_b" -iface cable \
    -hosts "$first,$second" -n 2 "$@"
