/** The daemon's command line. */
import { parseArgs } from "node:util";

export interface DaemonOptions {
  readonly config?: string;
  readonly placement: "auto" | "packed" | "isolated";
  readonly stateDir: string;
  readonly runDir: string;
  readonly listen: { readonly hostname: string; readonly port: number };
  /** PEM files; `listen` may then be any address. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly crypto: "auto" | "ipsec-mb" | "libcrypto" | "noble";
  readonly carrier: "always" | "sa";
}

export const USAGE = `vti-gateway: Linux ip_vti (route-based IPsec) in user space

Usage: deno run -A mod.ts [run] [OPTIONS]      start the daemon
       deno run -A mod.ts stop [--remove]      end the daemon; --remove: its devices and its state too
       deno run -A mod.ts demo                 two namespaces, a tunnel, a transfer; cleans up
       deno run -A mod.ts doctor [--json]      what this host has and lacks
       deno run -A mod.ts doctor --permissions [OPTIONS]
                                               what Deno must allow such a daemon in place of -A
       deno run -A mod.ts token add|del|list   who may use the API over TCP, and for what
       deno run -A mod.ts [-d] [-j] [-s] [-n NETNS] link|tunnel|xfrm|netns|monitor ...
                                               the client, in iproute2's words; see "link help", "xfrm state help"

Options of run:
  --config FILE        TOML file of links, states, policies and namespaces; SIGHUP reads it again
  --placement P        auto (default), packed, isolated: how actors are spread over threads
  --crypto C           auto (default), ipsec-mb, libcrypto, noble
  --carrier C          always (default), sa: devices show NO-CARRIER while no SA and policy could carry a packet out
  --listen HOST:PORT   address of the HTTP API (default 127.0.0.1:8470; port 0 takes a free one)
  --tls-cert FILE      certificate of the HTTP API, PEM; other addresses than loopback need it
  --tls-key FILE       its key, PEM; SIGHUP reads both again
  --run-dir DIR        socket and token (default /run/vti-gateway)
  --state-dir DIR      what outlives the daemon (default /var/lib/vti-gateway); keys in it are sealed with the
                       32 bytes, or 64 hex digits, of the file VTI_GATEWAY_STATE_KEY_FILE, of the systemd
                       credential state-key, or of VTI_GATEWAY_STATE_KEY
  --help               this text
`;

const PLACEMENTS = ["auto", "packed", "isolated"] as const;
const CARRIER = ["always", "sa"] as const;
const CRYPTO = ["auto", "ipsec-mb", "libcrypto", "noble"] as const;

/** Reads the words behind `run`. Returns the options, or one sentence that says which word is wrong. */
export function parseDaemonOptions(args: readonly string[]): DaemonOptions | { readonly wrong: string } {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      strict: true,
      options: {
        config: { type: "string" },
        placement: { type: "string", default: "auto" },
        "state-dir": { type: "string", default: "/var/lib/vti-gateway" },
        "run-dir": { type: "string", default: "/run/vti-gateway" },
        listen: { type: "string", default: "127.0.0.1:8470" },
        "tls-cert": { type: "string" },
        "tls-key": { type: "string" },
        crypto: { type: "string", default: "auto" },
        carrier: { type: "string", default: "always" },
      },
    }));
  } catch (error) {
    return { wrong: (error as Error).message };
  }
  const placement = PLACEMENTS.find((p) => p === values.placement);
  if (placement === undefined) return { wrong: expected("--placement", values.placement, PLACEMENTS) };
  const crypto = CRYPTO.find((c) => c === values.crypto);
  if (crypto === undefined) return { wrong: expected("--crypto", values.crypto, CRYPTO) };
  const carrier = CARRIER.find((c) => c === values.carrier);
  if (carrier === undefined) return { wrong: expected("--carrier", values.carrier, CARRIER) };
  const listen = parseListen(values.listen);
  if (listen === null) {
    return {
      wrong: `Cannot read --listen "${values.listen}": expected HOST:PORT, for example 127.0.0.1:8470`,
    };
  }
  const { "tls-cert": certFile, "tls-key": keyFile } = values;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    return { wrong: "Cannot use TLS: it needs both --tls-cert and --tls-key" };
  }
  return {
    placement,
    crypto,
    carrier,
    listen,
    stateDir: values["state-dir"],
    runDir: values["run-dir"],
    ...(certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } }),
    ...(values.config === undefined ? {} : { config: values.config }),
  };
}

function expected(option: string, got: string, among: readonly string[]): string {
  return `Cannot read ${option} "${got}": expected ${among.join(", ")}`;
}

function parseListen(text: string): { hostname: string; port: number } | null {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  return port > 65535 ? null : { hostname: match[1] ?? match[2]!, port };
}
