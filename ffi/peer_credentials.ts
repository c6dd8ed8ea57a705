/** Who is at the other end of a unix socket. */
import { libc } from "./libc.ts";

/** asm-generic/socket.h. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: pid, uid, gid, 4 bytes each. */
const UCRED_BYTES = 12;

export interface PeerCredentials {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

/** Credentials at the time of the peer's connect(2); null for a descriptor that is no such socket. */
export function peerCredentials(fd: number): PeerCredentials | null {
  const ucred = new Int32Array(UCRED_BYTES / 4);
  const length = Uint32Array.of(UCRED_BYTES);
  const bytes = new Uint8Array(ucred.buffer);
  if (libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytes, new Uint8Array(length.buffer)) !== 0) return null;
  const [pid, uid, gid] = ucred;
  // A socket that is not AF_UNIX answers with pid 0 and ids of -1.
  return pid === 0 ? null : { pid: pid!, uid: uid! >>> 0, gid: gid! >>> 0 };
}
