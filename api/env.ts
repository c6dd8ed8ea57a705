/** What travels with a request through the application. */
import type { Context } from "hono";
import type { Errno } from "../actors/control/kernel_error.ts";
import type { Caller, Peer } from "./caller.ts";
import type { Operation } from "./operation.ts";

export interface ApiEnv {
  /** What the server knows of the connection. */
  Bindings: { readonly peer?: Peer };
  Variables: {
    caller: Caller;
    operation: Operation;
    /** What the path names, and what the whole request is about, without any secret. */
    place: Readonly<Record<string, unknown>>;
    subject: Readonly<Record<string, unknown>>;
    errno: Errno;
  };
}

export function peerOf(c: Context<ApiEnv>): Peer {
  // Absent where a test calls the application itself.
  return (c.env as ApiEnv["Bindings"] | undefined)?.peer ?? { transport: "unix" };
}
