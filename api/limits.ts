/** How much one peer may ask, so that it can't keep the daemon from the others. */
import type { MiddlewareHandler } from "hono";
import { type Caller, type Peer, peerKey } from "./caller.ts";
import { type ApiEnv, peerOf } from "./env.ts";
import { httpProblem } from "./problem.ts";
import { RateLimiter } from "./rate_limit.ts";

/** A request takes about 0.3 ms of the main thread: at this rate one caller leaves most of it to the others. */
const REQUESTS = { perSecond: 500, burst: 5000 };
/** Requests without a good token, from one address: enough to notice a mistake, too few to fill a log. */
const REFUSALS = { perSecond: 1, burst: 20 };

/**
 * Counts the requests of each caller, and those that are let in nowhere for each address. A good token is not held up
 * by bad ones from the same address, which on loopback is everybody's.
 */
export function rateLimit(): { before: MiddlewareHandler<ApiEnv>; after: MiddlewareHandler<ApiEnv> } {
  const requests = new RateLimiter(REQUESTS);
  const refusals = new RateLimiter(REFUSALS);
  return {
    async before(c, next) {
      await next();
      if (c.get("caller") !== undefined) return;
      const seconds = refusals.take(peerKey(peerOf(c)));
      if (seconds === 0) return;
      // Else the headers of the refusal before would stay.
      c.res = undefined;
      c.res = tooMany(seconds);
    },
    async after(c, next) {
      const peer = peerOf(c);
      if (isMaster(peer)) return await next();
      const seconds = requests.take(callerKey(c.get("caller"), peer));
      return seconds > 0 ? tooMany(seconds) : await next();
    },
  };
}

/** Whoever can end the daemon needs no limit: a script of root may set up thousands of tunnels at once. */
function isMaster(peer: Peer): boolean {
  return peer.transport === "unix" && (peer.uid === 0 || peer.uid === Deno.uid());
}

/** A token counts wherever it comes from; who comes by the unix socket counts as the user that it is. */
function callerKey({ name }: Caller, peer: Peer): string {
  return peer.transport === "tcp" ? `token ${name}` : peerKey(peer);
}

function tooMany(seconds: number): Response {
  const detail = `Cannot answer: too many requests, wait ${seconds} s`;
  return httpProblem(429, "Too Many Requests", detail, { "retry-after": `${seconds}` });
}
