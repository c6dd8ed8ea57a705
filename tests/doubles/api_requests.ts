/**
 * Requests of the API's tests: a Gateway double behind the application, in-process, and bodies that are good.
 */
import assert from "node:assert/strict";
import { createApp } from "../../api/app.ts";
import type { AuditEntry } from "../../api/audit.ts";
import type { Problem } from "../../api/problem.ts";
import { GatewayDouble } from "./gateway_double.ts";

export const NS = "/v1/netns/self";
/** "5ec7e7" in any output is a key that leaked. */
export const KEY = "0x5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e7beef";
export const SA = {
  src: "192.0.2.1",
  dst: "192.0.2.2",
  proto: "esp",
  spi: 0x1001,
  mode: "tunnel",
  mark: { value: 7, mask: 0xffffffff },
  aead: { name: "rfc4106(gcm(aes))", key: KEY, icv_bits: 128 },
};
export const SEL = {
  src: "0.0.0.0/0",
  dst: "0.0.0.0/0",
  proto: 0,
  sport: 0,
  sport_mask: 0,
  dport: 0,
  dport_mask: 0,
};
export const POLICY = {
  dir: "out",
  sel: SEL,
  mark: { value: 7, mask: 0xffffffff },
  tmpl: [{ proto: "esp", mode: "tunnel" }],
};
export const LINK = {
  ifname: "vti1",
  linkinfo: { info_kind: "vti", info_data: { local: "192.0.2.1", ikey: 7 } },
};

export interface Answered {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly answer: any;
  readonly text: string;
  readonly response: Response;
}

/** Sends a request and holds a refusal against RFC 9457. A string is a body as it is, anything else becomes JSON. */
export type Ask = (method: string, path: string, body?: unknown) => Promise<Answered>;

export function setUpApi() {
  const gateway = new GatewayDouble();
  const audited: AuditEntry[] = [];
  const app = createApp(gateway, { origin: "unix", audit: (entry) => audited.push(entry) });
  const ask: Ask = async (method, path, body) => {
    const sent = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
    const response = await app.request(path, { method, body: sent });
    const text = await response.text();
    if (!response.ok) {
      assert.equal(
        response.headers.get("content-type"),
        "application/problem+json",
        `${method} ${path}: ${text}`,
      );
      assert.equal(JSON.parse(text).status, response.status);
    }
    return { status: response.status, answer: text === "" ? undefined : JSON.parse(text), text, response };
  };
  return { gateway, app, ask, audited };
}

/** "409 EEXIST ifname": status, errno and attribute of a refusal, those that there are. */
export function blame({ status, answer }: { readonly status: number; readonly answer: Problem }): string {
  return [status, answer.errno, answer.attribute].filter((part) => part !== undefined).join(" ");
}
