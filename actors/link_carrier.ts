/** Carrier of the devices whose underlay is one namespace, for a gateway that is to take it away without an SA. */
import type { ControlTunnel } from "./control/ip_tunnel.ts";
import type { WaysOut } from "./control/vti_carrier.ts";
import type { NetnsLinks } from "./netns_links.ts";

/** Milliseconds from a change to a look: many change together. */
const DELAY_MS = 50;

export class LinkCarrier {
  readonly #links: NetnsLinks;
  readonly #waysOut: () => WaysOut;
  /** Tunnels without carrier; the kernel gives it to every device that is opened. */
  readonly #off = new WeakSet<ControlTunnel>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(links: NetnsLinks, waysOut: () => WaysOut) {
    this.#links = links;
    this.#waysOut = waysOut;
  }

  /** A link, an SA or a policy came, went or is another. */
  changed(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, DELAY_MS);
    Deno.unrefTimer(this.#timer);
  }

  #look(): void {
    const waysOut = this.#waysOut();
    for (const tunnel of this.#links.net.tunnels.values()) {
      if (tunnel.isFallback) continue;
      const on = waysOut.has(tunnel);
      if (on === !this.#off.has(tunnel)) continue;
      // The device is gone; its deletion tells itself.
      if (!this.#links.devices.setCarrier(tunnel, on).ok) continue;
      if (on) this.#off.delete(tunnel);
      else this.#off.add(tunnel);
      this.#links.homeOf(tunnel).tell(tunnel);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
