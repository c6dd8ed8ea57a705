/** What happens, as it happens: server-sent events, the API's `ip monitor`. */
import type { Context } from "hono";
import type { Gateway, GatewayEvent } from "../actors/gateway.ts";
import { eventInfo } from "./answer_schemas.ts";
import type { ApiEnv } from "./env.ts";
import type { Operation } from "./operation.ts";
import { noQuery } from "./query_schemas.ts";

/** Milliseconds between two comments on an idle stream, so that no proxy takes it for dead. */
const KEEP_ALIVE_MS = 15_000;
/** `after` of Gateway.events(): only what is still to come. */
const FROM_NOW = -1;

/** `closing` ends the streams when the server shuts down. */
export function eventsOperation(closing: AbortSignal): Operation {
  return {
    method: "get",
    path: "/v1/events",
    summary: "Events as they come; with Last-Event-ID first those that were missed",
    query: noQuery,
    answers: { 200: eventInfo },
    contentType: "text/event-stream",
    respond(gateway, c) {
      const body = c.req.raw.method === "HEAD" ? null : eventStream(gateway, c, closing);
      return new Response(body, { headers: STREAM_HEADERS });
    },
  };
}

const STREAM_HEADERS = { "content-type": "text/event-stream", "cache-control": "no-store" };

function eventStream(gateway: Gateway, c: Context<ApiEnv>, closing: AbortSignal): ReadableStream<Uint8Array> {
  const cancelled = new AbortController();
  const signal = AbortSignal.any([closing, cancelled.signal]);
  const events = gateway.events(lastEventId(c), signal)[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let keepAlive: ReturnType<typeof setInterval> | undefined;
  signal.addEventListener("abort", () => clearInterval(keepAlive), { once: true });
  return new ReadableStream<Uint8Array>({
    start(controller) {
      // Sends the headers at once: a client may wait for them before it makes the event happen.
      controller.enqueue(encoder.encode(": vti-gateway\n\n"));
      if (signal.aborted) return;
      keepAlive = setInterval(() => {
        const isIdle = (controller.desiredSize ?? 0) > 0;
        if (isIdle) controller.enqueue(encoder.encode(": keep-alive\n\n"));
      }, KEEP_ALIVE_MS);
    },
    // One event for each pull, so that a client that does not read holds back only itself.
    async pull(controller) {
      try {
        const next = await events.next();
        if (!next.done) return controller.enqueue(encoder.encode(serverSentEvent(next.value)));
        controller.close();
        cancelled.abort();
      } catch (error) {
        cancelled.abort();
        throw error;
      }
    },
    cancel: () => cancelled.abort(),
  });
}

/** One block of an event stream. JSON has no line breaks, so that one data line is enough. */
function serverSentEvent(event: GatewayEvent): string {
  return `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}

function lastEventId(c: Context<ApiEnv>): number {
  const text = c.req.header("last-event-id") ?? "";
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : FROM_NOW;
}
