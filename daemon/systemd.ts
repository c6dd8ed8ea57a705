/** The daemon as a systemd service of Type=notify: when it is ready, that it lives, and that it stops (sd_notify(3)). */
import { NotifySocket } from "../ffi/notify_socket.ts";

/** Tells nothing where no service manager asked for it. */
export class ServiceManager implements Disposable {
  readonly #socket: NotifySocket | null;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Throws SyscallError when the manager's socket can't be reached. */
  constructor(readonly env: (name: string) => string | undefined = processEnv) {
    const address = env("NOTIFY_SOCKET");
    this.#socket = address === undefined || address === "" ? null : new NotifySocket(address);
  }

  /** To be called when the daemon serves; from then on it tells that its main thread runs, if the manager wants that. */
  ready(status: string): void {
    this.#socket?.send("READY=1", `STATUS=${status}`);
    const milliseconds = Number(this.env("WATCHDOG_USEC") ?? 0) / 1000;
    if (!(milliseconds > 0) || this.#socket === null) return;
    // Half of what is allowed, as sd_watchdog_enabled(3) advises.
    this.#timer = setInterval(() => this.#socket!.send("WATCHDOG=1"), milliseconds / 2);
    Deno.unrefTimer(this.#timer);
  }

  stopping(): void {
    this.#socket?.send("STOPPING=1");
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#socket?.[Symbol.dispose]();
  }
}

/** A variable that the permissions do not show is one that is not there. */
function processEnv(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
