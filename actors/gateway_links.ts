/** Links as the gateway's users speak of them; see gateway.ts for addresses, keys and names. */
import type { DropName } from "../datapath/drop_reason.ts";

/** IFLA_VTI_* of a request; an absent attribute is 0, except fwmark at changelink, which keeps its value. */
export interface VtiInfoData {
  readonly local?: string;
  readonly remote?: string;
  readonly ikey?: number;
  readonly okey?: number;
  /** Name of the device to bind to, in the underlay namespace. */
  readonly link?: string;
  readonly fwmark?: number;
}

/**
 * Settings of the device, not of the tunnel: what `ip link` says before `type`. They live in the device, as if the
 * system's own `ip link set` had made them.
 */
export interface DeviceSettings {
  readonly txqlen?: number;
  readonly group?: number;
  /** Name of the VRF it belongs to; "" for none. */
  readonly master?: string;
  readonly arp?: boolean;
  readonly multicast?: boolean;
  readonly allmulticast?: boolean;
  readonly promisc?: boolean;
  readonly trailers?: boolean;
  readonly dynamic?: boolean;
  readonly linkmode?: "DEFAULT" | "DORMANT";
  readonly gso_max_size?: number;
  readonly gso_max_segs?: number;
  readonly gro_max_size?: number;
}

/** Those that only a device takes that is there already. */
export interface DeviceChange extends DeviceSettings {
  /** "" takes it away. */
  readonly ifalias?: string;
  readonly inet6_addr_gen_mode?: "eui64" | "none" | "stable_secret" | "random";
}

export interface LinkRequest extends DeviceSettings {
  /** Absent: the lowest free vti%d. */
  readonly ifname?: string;
  /** Absent: the next free index. */
  readonly ifindex?: number;
  readonly mtu?: number;
  readonly up?: boolean;
  readonly linkinfo: { readonly info_kind: "vti"; readonly info_data?: VtiInfoData };
}

/** A change: what `ip link set` can say of a vti. */
export interface LinkChange extends DeviceChange {
  readonly ifname?: string;
  readonly mtu?: number;
  readonly up?: boolean;
  readonly linkinfo?: { readonly info_kind: "vti"; readonly info_data?: VtiInfoData };
}

/** struct ip_tunnel_parm, as `ip tunnel` fills it; what is absent is 0. */
export interface TunnelParm {
  readonly local?: string;
  readonly remote?: string;
  readonly ikey?: number;
  readonly okey?: number;
  /** Name of the device to bind to, in the underlay namespace. */
  readonly link?: string;
  /** These three are kept and shown, without effect on a vti. 0: inherit; 1 as TOS: inherit. */
  readonly ttl?: number;
  readonly tos?: number;
  readonly pmtudisc?: boolean;
}

/** Absent name: the lowest free vti%d. */
export interface TunnelRequest extends TunnelParm {
  readonly ifname?: string;
}

/** Which tunnel is meant, of those that a call to ip_vti0 can be about. */
export type TunnelEnds = Pick<TunnelParm, "local" | "remote" | "link">;

/** What `ip tunnel show` prints of a vti. */
export interface TunnelInfo extends Required<Omit<TunnelParm, "link">> {
  readonly ifname: string;
  readonly link?: string;
}

export interface LinkStats {
  readonly rx: {
    readonly bytes: number;
    readonly packets: number;
    readonly errors: number;
    readonly dropped: number;
    readonly over_errors: number;
    readonly multicast: number;
  };
  readonly tx: {
    readonly bytes: number;
    readonly packets: number;
    readonly errors: number;
    readonly dropped: number;
    readonly carrier_errors: number;
    readonly collisions: number;
    readonly aborted_errors: number;
  };
}

/** What `ip -d -s -j link show` prints of a vti, and the drops by cause. */
export interface LinkInfo {
  readonly ifindex: number;
  readonly link: string | null;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly qdisc: string;
  /** Name of the VRF it belongs to. */
  readonly master?: string;
  readonly operstate: string;
  readonly linkmode: string;
  readonly group: string;
  readonly txqlen: number;
  readonly link_type: "ipip";
  readonly address: string;
  readonly link_pointtopoint?: true;
  readonly broadcast: string;
  readonly permaddr?: string;
  /** Id of the underlay namespace in the device's own, of a device that was moved. */
  readonly link_netnsid?: number;
  readonly promiscuity: number;
  readonly allmulti: number;
  readonly min_mtu: number;
  readonly max_mtu: number;
  readonly linkinfo: {
    readonly info_kind: "vti";
    readonly info_data: {
      readonly remote: string;
      readonly local: string;
      readonly link?: string;
      /** Dotted quad, as iproute2 prints keys. */
      readonly ikey?: string;
      readonly okey?: string;
      /** "0x1", as iproute2 prints it. */
      readonly fwmark?: string;
    };
  };
  readonly inet6_addr_gen_mode?: string;
  readonly num_tx_queues: number;
  readonly num_rx_queues: number;
  readonly gso_max_size: number;
  readonly gso_max_segs: number;
  readonly tso_max_size: number;
  readonly tso_max_segs: number;
  readonly gro_max_size: number;
  readonly ifalias?: string;
  readonly stats64: LinkStats;
  /** Packets refused, by cause; only causes that occurred. */
  readonly drops: Readonly<Partial<Record<DropName, number>>>;
}
