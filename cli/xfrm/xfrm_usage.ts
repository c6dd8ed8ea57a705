/** Help texts of `ip xfrm state` and `ip xfrm policy`: what of the grammar a gateway has. */

const SELECTOR = `SELECTOR := [ src ADDR[/PLEN] ] [ dst ADDR[/PLEN] ] [ dev DEV ] [ UPSPEC ]
UPSPEC := proto { { tcp | udp | sctp | dccp } [ sport PORT ] [ dport PORT ] |
                  { icmp | ipv6-icmp | mobility-header } [ type NUMBER ] [ code NUMBER ] |
                  gre [ key { DOTTED-QUAD | NUMBER } ] | PROTO }`;

const LIMIT = `LIMIT-LIST := [ LIMIT-LIST ] limit LIMIT
LIMIT := { time-soft | time-hard | time-use-soft | time-use-hard } SECONDS |
         { byte-soft | byte-hard } SIZE | { packet-soft | packet-hard } COUNT`;

const ID = `ID := [ src ADDR ] [ dst ADDR ] [ proto { esp | ah | comp } ] [ spi SPI ]`;
const MODE = `MODE := transport | tunnel | beet (a vti takes states of mode tunnel only)`;

export const STATE_USAGE = `Usage: ip xfrm state { add | update } ID [ ALGO-LIST ] [ mode MODE ]
        [ mark MARK [ mask MASK ] ] [ reqid REQID ] [ seq SEQ ]
        [ replay-window SIZE ] [ replay-seq SEQ ] [ replay-oseq SEQ ]
        [ replay-seq-hi SEQ ] [ replay-oseq-hi SEQ ]
        [ flag FLAG-LIST ] [ extra-flag EXTRA-FLAG-LIST ] [ sel SELECTOR ] [ LIMIT-LIST ]
        [ encap { espinudp | espinudp-nonike } SPORT DPORT OADDR ]
        [ output-mark MARK [ mask MASK ] ] [ if_id IF_ID ] [ tfcpad LENGTH ]
Usage: ip xfrm state allocspi ID [ mode MODE ] [ mark MARK [ mask MASK ] ]
        [ reqid REQID ] [ seq SEQ ] [ min SPI max SPI ]
Usage: ip xfrm state { delete | get } ID [ mark MARK [ mask MASK ] ]
Usage: ip xfrm state { deleteall | list } [ nokeys ] [ ID ] [ mode MODE ] [ reqid REQID ] [ flag FLAG-LIST ]
Usage: ip xfrm state flush [ proto XFRM-PROTO ]
Usage: ip xfrm state count
${ID}
ALGO-LIST := [ ALGO-LIST ] ALGO
ALGO := { enc | auth } NAME KEY | auth-trunc NAME KEY BITS | aead NAME KEY ICV-BITS | comp NAME
${MODE}
FLAG := noecn | decap-dscp | nopmtudisc | wildrecv | icmp | af-unspec | align4 | esn
EXTRA-FLAG := dont-encap-dscp | oseq-may-wrap
${SELECTOR}
${LIMIT}`;

export const POLICY_USAGE = `Usage: ip xfrm policy { add | update } [ SELECTOR ] dir DIR
        [ mark MARK [ mask MASK ] ] [ index INDEX ] [ ptype PTYPE ]
        [ action ACTION ] [ priority PRIORITY ] [ flag FLAG-LIST ]
        [ if_id IF_ID ] [ LIMIT-LIST ] [ TMPL-LIST ]
Usage: ip xfrm policy { delete | get } { SELECTOR | index INDEX } dir DIR
        [ mark MARK [ mask MASK ] ] [ ptype PTYPE ] [ if_id IF_ID ]
Usage: ip xfrm policy { deleteall | list } [ SELECTOR ] [ dir DIR ] [ index INDEX ]
        [ ptype PTYPE ] [ action ACTION ] [ priority PRIORITY ] [ flag FLAG-LIST ]
Usage: ip xfrm policy flush [ ptype PTYPE ]
Usage: ip xfrm policy count
${SELECTOR}
DIR := in | out | fwd
PTYPE := main | sub
ACTION := allow | block
FLAG := localok | icmp
${LIMIT}
TMPL-LIST := [ TMPL-LIST ] tmpl TMPL
TMPL := ID [ mode MODE ] [ reqid REQID ] [ level { required | use } ]
${ID}
${MODE}`;
