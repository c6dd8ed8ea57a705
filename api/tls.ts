/** Certificate and key of the API, from files. */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";

/** Read by others: the key is the gateway's no more. */
const FOREIGN_READ = 0o007;

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** PEM. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** Throws an Error that names the file; it never has the key in it. */
export function readTls({ certFile, keyFile }: TlsFiles): Tls {
  const cert = readPem("certificate", certFile);
  try {
    new X509Certificate(cert);
  } catch {
    throw new Error(`Cannot use certificate ${certFile}: not PEM of an X.509 certificate`);
  }
  const key = readPem("key", keyFile);
  if ((Deno.statSync(keyFile).mode! & FOREIGN_READ) !== 0) {
    throw new Error(`Cannot use key ${keyFile}: everybody can reach it; chmod o= it`);
  }
  return { cert, key };
}

/** Whether the certificate is for this name of a Host header; "*" stands for the first label (RFC 6125 §6.4.3). */
export function certificateHas(cert: string, name: string): boolean {
  const certificate = new X509Certificate(cert);
  const address = name.replace(/^\[(.*)\]$/, "$1");
  if (isIP(address) !== 0) return certificate.checkIP(address) !== undefined;
  const names = certificate.subjectAltName?.toLowerCase().split(", ") ?? [];
  return names.includes(`dns:${name}`) || names.includes(`dns:${name.replace(/^[^.]+/, "*")}`);
}

function readPem(what: string, path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const [state] = (error as Error).message.split(" (os error");
    throw new Error(`Cannot read ${what} ${path}: ${state}`);
  }
}
