#!/bin/busybox sh
# /init of the guest: file systems, modules in the order given, then the agent on the virtio port.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/netns
while read -r module; do insmod "$module"; done </etc/modules
ip link set lo up
while [ ! -e /dev/vport0p1 ]; do usleep 10000; done
exec /agent /dev/vport0p1
