/** The daemon's API: on a unix socket for its group, and on TCP for those who have a token. */
import type { Gateway } from "../actors/gateway.ts";
import type { Audit } from "../api/audit.ts";
import { type ApiServer, serveTcp, serveUnix } from "../api/serve.ts";
import { newToken, tokenLookup, writePrivateFile } from "../api/tokens.ts";
import { peerCredentials } from "../ffi/peer_credentials.ts";
import { auditLine } from "./audit.ts";
import { giveToGroup } from "./group.ts";
import type { DaemonOptions } from "./options.ts";

const RUN_DIR_MODE = 0o750;

/** Makes the run directory, its socket and its token, and listens. Throws when another daemon answers there. */
export async function serveApi(
  gateway: Gateway,
  { runDir, stateDir, listen, tls }: DaemonOptions,
  log: (line: string) => void,
): Promise<ApiServer[]> {
  const audit: Audit = (entry) => log(auditLine(entry));
  await Deno.mkdir(runDir, { recursive: true, mode: RUN_DIR_MODE });
  const gid = await giveToGroup(runDir, log);
  const unix = await serveUnix(gateway, {
    path: `${runDir}/api.sock`,
    credentials: peerCredentials,
    audit,
    ...(gid !== undefined && { gid }),
  });
  const token = `${runDir}/token`;
  try {
    await writePrivateFile(token, `${newToken()}\n`);
    const tokens = tokenLookup({ token, tokens: `${stateDir}/tokens` }, log);
    const tcp = await serveTcp(gateway, { ...listen, tokens, audit, ...(tls && { tls }) });
    return [unix, { ...tcp, close: () => closeWithToken(tcp, token) }];
  } catch (error) {
    await closeWithToken(unix, token);
    throw error;
  }
}

async function closeWithToken(server: ApiServer, token: string): Promise<void> {
  await server.close();
  await Deno.remove(token).catch(() => {});
}

/** For SIGHUP. A certificate that can't be used leaves the one before. */
export function renewCertificates(servers: readonly ApiServer[], log: (line: string) => void): void {
  for (const server of servers) {
    try {
      server.reload();
    } catch (error) {
      log(`Renew the certificate of ${server.address}: ${(error as Error).message}; the one before stays`);
    }
  }
}
