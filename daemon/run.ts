/** The daemon: a gateway, what its configuration file says, its API on two sockets, and signals. */
import { startGateway, type UserSpaceGateway } from "../actors/start_gateway.ts";
import { hideKeys } from "../api/hide_keys.ts";
import type { ApiServer } from "../api/serve.ts";
import type { ConfigKeeper } from "./apply_config.ts";
import { auditedForFile } from "./audit.ts";
import type { DaemonOptions } from "./options.ts";
import { PidFile } from "./pid_file.ts";
import { startFailure, startProblem } from "./start_checks.ts";
import { stateOptions } from "./state.ts";
import { ServiceManager } from "./systemd.ts";

const EXIT_CODE = { SIGINT: 130, SIGTERM: 143 } as const;
const END_SIGNALS = ["SIGTERM", "SIGINT"] as const;

type Log = (line: string) => void;

/** Runs until SIGTERM or SIGINT. Returns the exit code. `workerModule` is for tests whose workers fail. */
export async function run(options: DaemonOptions, workerModule?: URL): Promise<number> {
  const log: Log = (line) => console.error(hideKeys(line));
  const problem = await startProblem(options);
  if (problem !== null) {
    log(problem);
    return 1;
  }
  using manager = new ServiceManager();
  const stop = Promise.withResolvers<number>();
  const servers: ApiServer[] = [];
  let api: typeof import("./api_servers.ts") | null = null;
  let gateway: UserSpaceGateway | null = null;
  let config: ConfigKeeper | null = null;
  const signals = new EndSignals(stop.resolve, log);
  const onHangup = () => {
    api?.renewCertificates(servers, log);
    if (config !== null) reloadConfig(config, options.config!, log);
  };
  Deno.addSignalListener("SIGHUP", onHangup);
  try {
    const state = await stateOptions(options.stateDir, log);
    gateway = startGateway({
      placement: options.placement,
      crypto: options.crypto,
      carrier: options.carrier,
      log,
      fatal: (reason) => {
        log(reason);
        stop.resolve(1);
      },
      ...(state !== null && { state }),
      ...(workerModule === undefined ? {} : { workerModule }),
    });
    await gateway.restore();
    if (options.config !== undefined) {
      const ownedFile = state === null ? null : `${state.dir}/config-owned.json`;
      config = await startConfig(gateway, options.config, { crypto: options.crypto, ownedFile, log });
    }
    await using _pid = await PidFile.write(options.runDir);
    // Loaded when packets flow already: it takes longer than all the rest.
    api = await import("./api_servers.ts");
    servers.push(...await api.serveApi(gateway, options, log));
    const { placement, crypto } = gateway.health();
    log(`vti-gateway: ${placement}, ${crypto}; API on ${servers.map((s) => s.address).join(" and ")}`);
    manager.ready(`${placement}, ${crypto}`);
    return await stop.promise;
  } catch (error) {
    log(startFailure(error, options.listen));
    return 1;
  } finally {
    manager.stopping();
    Deno.removeSignalListener("SIGHUP", onHangup);
    await Promise.all(servers.map((server) => server.close()));
    await gateway?.close();
    signals.close();
  }
}

/** SIGTERM and SIGINT: the first asks for the end, the second forces it. */
class EndSignals {
  readonly #listeners = END_SIGNALS.map((name) => [name, () => this.#on(name)] as const);
  readonly #stop: (code: number) => void;
  readonly #log: Log;
  #stopping = false;

  constructor(stop: (code: number) => void, log: Log) {
    this.#stop = stop;
    this.#log = log;
    for (const [name, listener] of this.#listeners) Deno.addSignalListener(name, listener);
  }

  #on(name: keyof typeof EXIT_CODE): void {
    if (this.#stopping) {
      this.#log(`${name} again: ending at once`);
      Deno.exit(EXIT_CODE[name]);
    }
    this.#stopping = true;
    this.#stop(0);
  }

  close(): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
  }
}

/** Loaded only where there is a file: the rest of the daemon needs neither TOML nor checks of it. */
async function startConfig(
  gateway: UserSpaceGateway,
  path: string,
  options: ConstructorParameters<typeof ConfigKeeper>[1],
): Promise<ConfigKeeper> {
  const { ConfigKeeper } = await import("./apply_config.ts");
  const config = new ConfigKeeper(auditedForFile(gateway, path, options.log), options);
  await config.load(path);
  return config;
}

async function reloadConfig(config: ConfigKeeper, path: string, log: Log): Promise<void> {
  try {
    await config.load(path);
  } catch (error) {
    log((error as Error).message);
  }
}
