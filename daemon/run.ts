/** The daemon: a gateway, its API on two sockets, and signals. */
import { startGateway, type UserSpaceGateway } from "../actors/start_gateway.ts";
import type { ApiServer } from "../api/serve.ts";
import { renewCertificates, serveApi } from "./api_servers.ts";
import type { DaemonOptions } from "./options.ts";

/** Runs until SIGTERM or SIGINT. Returns the exit code. `workerModule` is for tests whose workers fail. */
export async function run(options: DaemonOptions, workerModule?: URL): Promise<number> {
  const stop = Promise.withResolvers<number>();
  const log = (line: string) => console.error(line);
  const servers: ApiServer[] = [];
  let gateway: UserSpaceGateway | null = null;
  const onSignal = () => stop.resolve(0);
  const onHangup = () => renewCertificates(servers, log);
  try {
    gateway = startGateway({
      placement: options.placement,
      crypto: options.crypto,
      log,
      fatal: (reason) => {
        log(reason);
        stop.resolve(1);
      },
      ...(workerModule === undefined ? {} : { workerModule }),
    });
    servers.push(...await serveApi(gateway, options, log));
    const { placement, crypto } = gateway.health();
    log(`vti-gateway: ${placement}, ${crypto}; API on ${servers.map((s) => s.address).join(" and ")}`);
    Deno.addSignalListener("SIGTERM", onSignal);
    Deno.addSignalListener("SIGINT", onSignal);
    Deno.addSignalListener("SIGHUP", onHangup);
    return await stop.promise;
  } catch (error) {
    log(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    Deno.removeSignalListener("SIGTERM", onSignal);
    Deno.removeSignalListener("SIGINT", onSignal);
    Deno.removeSignalListener("SIGHUP", onHangup);
    await Promise.all(servers.map((server) => server.close()));
    await gateway?.close();
  }
}
