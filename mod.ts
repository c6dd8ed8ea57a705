/**
 * vti-gateway: Linux ip_vti in user space. As a program: the daemon, the client, `demo` and `doctor`. As a module:
 * the gateway itself.
 *
 * @module
 */
import type { Gateway } from "./actors/gateway.ts";
import type { GatewayOptions } from "./actors/start_gateway.ts";

export type * from "./actors/gateway.ts";
export type { GatewayOptions } from "./actors/start_gateway.ts";

/** Starts a gateway in this process. Throws an Error with the remedy when the host can't run one. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { startGateway } = await import("./actors/start_gateway.ts");
  return startGateway(options);
}

/** Loads only what the words ask for, so that a client command starts fast. Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { isClientCommand } = await import("./cli/options.ts");
  if (isClientCommand(args)) return (await import("./cli/main.ts")).client(args);
  return (await import("./daemon/main.ts")).daemon(args);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
