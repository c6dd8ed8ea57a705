/**
 * A worker that keeps the time of its system calls, its crypto and its hops. It counts from when PROFILE_DIR/start
 * appears until PROFILE_DIR/stop does, and then writes PROFILE_DIR/report-THREAD.json.
 */
import { makeActor } from "../../actors/make_actor.ts";
import type { Behaviour } from "../../actors/runtime/behaviour.ts";
import { Link } from "../../actors/runtime/mailbox.ts";
import { hostActors } from "../../actors/runtime/worker_host.ts";
import { TunOutput } from "../../actors/tun_output.ts";
import type { Batch } from "../../datapath/batch.ts";
import type { EspTransform } from "../../datapath/esp/aead.ts";
import { XfrmState } from "../../datapath/xfrm/xfrm_state.ts";
import { XfrmTable } from "../../datapath/xfrm/xfrm_table.ts";
import { Epoll } from "../../ffi/epoll.ts";
import { ring } from "../../ffi/eventfd.ts";
import { threadId } from "../../ffi/thread_time.ts";
import { libc } from "../../ffi/libc.ts";
import { newSlabMemory, Slab } from "../../ffi/slab_pointers.ts";
import { Probe } from "./probe.ts";

/** Bytes of an eventfd's counter: a write of that many rings a doorbell. */
const RING_BYTES = 8;

const dir = Deno.env.get("PROFILE_DIR")!;
const probe = new Probe();

timeSystemCalls();
timeCrypto();
timeHops();
countPackets();

hostActors<Batch>({
  makePoller: () => new Epoll(),
  ring,
  threadId,
  makeMemory: newSlabMemory,
  makeSlab: (id, memory) => new Slab(id, memory),
  makeBehaviour(actor, init, context) {
    const behaviour: Behaviour<Batch> = makeActor(actor, init, context);
    const tick = behaviour.tick.bind(behaviour);
    behaviour.tick = (now) => {
      obey();
      tick(now);
    };
    return behaviour;
  },
});

function timeSystemCalls(): void {
  const calls = libc as { -readonly [name in keyof typeof libc]: typeof libc[name] };
  const { read, write, epoll_wait } = libc;
  const ringing = probe.kind("write: doorbell");
  calls.sendmmsg = probe.wrap("sendmmsg (messages)", libc.sendmmsg, positive);
  calls.recvmmsg = probe.wrap("recvmmsg (messages)", libc.recvmmsg, positive);
  calls.sendmsg = probe.wrap("sendmsg (calls)", libc.sendmsg, () => 1);
  calls.read = probe.wrap("read: TUN (bytes)", read, positive);
  const empty = probe.kind("read: TUN, empty");
  const timedRead = calls.read;
  calls.read = (fd, at, length) => {
    const n = timedRead(fd, at, length);
    if (n < 0) empty.calls++;
    return n;
  };
  calls.writev = probe.wrap("writev: TUN (bytes)", libc.writev, positive);
  const timedWrite = probe.wrap("write: TUN (bytes)", write, positive);
  calls.write = (fd, at, length) => {
    if (length !== RING_BYTES) return timedWrite(fd, at, length);
    const before = probe.enter(ringing);
    const n = write(fd, at, length);
    probe.leave(before);
    return n;
  };
  const look = probe.wrap("epoll_wait: look (events)", epoll_wait, positive);
  const sleep = probe.wrap("epoll_wait: may sleep (events)", epoll_wait, positive);
  calls.epoll_wait = (fd, at, max, timeout) => (timeout === 0 ? look : sleep)(fd, at, max, timeout);
  calls.nanosleep = probe.wrap("nanosleep (calls)", libc.nanosleep, () => 1);
  calls.memcpy = probe.wrap("memcpy by FFI (bytes)", libc.memcpy, (_, args) => args[2]);
}

function timeCrypto(): void {
  const timed = new WeakMap<EspTransform, EspTransform>();
  const time = (transform: EspTransform | null): EspTransform | null => {
    if (transform === null) return null;
    let known = timed.get(transform);
    if (known === undefined) timed.set(transform, known = timedTransform(transform));
    return known;
  };
  const { sealer, opener } = XfrmState.prototype;
  XfrmState.prototype.sealer = function () {
    return time(sealer.call(this));
  };
  XfrmState.prototype.opener = function () {
    return time(opener.call(this));
  };
}

const sealKind = probe.kind("crypto: seal (bytes)");
const openKind = probe.kind("crypto: open (bytes)");

function timedTransform(transform: EspTransform): EspTransform {
  const { ivLength, icvLength, blockSize } = transform;
  return {
    ivLength,
    icvLength,
    blockSize,
    seal(batch, esp, length, seqHi) {
      const before = probe.enter(sealKind);
      const done = transform.seal(batch, esp, length, seqHi);
      probe.leave(before);
      sealKind.items += length;
      return done;
    },
    open(batch, esp, length, seqHi) {
      const before = probe.enter(openKind);
      const done = transform.open(batch, esp, length, seqHi);
      probe.leave(before);
      openKind.items += length;
      return done;
    },
    destroy: () => transform.destroy(),
  };
}

function timeHops(): void {
  const { post, sendParcel, receive } = Link.prototype;
  const posting = probe.kind("hop: post (messages)");
  const taking = probe.kind("hop: receive (messages)");
  const sending = probe.kind("hop: send (parcels)");
  const wrapping = probe.kind("hop: wrap (parcels)");
  Link.prototype.post = function (message, transfer) {
    const before = probe.enter(posting);
    post.call(this, message, transfer);
    probe.leave(before);
    posting.items++;
  };
  Link.prototype.receive = function () {
    const before = probe.enter(taking);
    const message = receive.call(this);
    probe.leave(before);
    if (message !== undefined) taking.items++;
    return message;
  };
  Link.prototype.sendParcel = function (slab, buffer) {
    const before = probe.enter(sending);
    sendParcel.call(this, slab, buffer);
    probe.leave(before);
    sending.items++;
  };
  const { wrap } = Slab.prototype;
  Slab.prototype.wrap = function () {
    const before = probe.enter(wrapping);
    const batch = wrap.call(this);
    probe.leave(before);
    wrapping.items++;
    return batch;
  };
}

/** Fill of batches and super-packets; no time of their own. */
function countPackets(): void {
  const { transmit, receive } = XfrmTable.prototype;
  const sent = probe.kind("batches transmitted (packets)");
  const received = probe.kind("batches received (packets)");
  XfrmTable.prototype.transmit = function (batch) {
    sent.calls++;
    sent.items += batch.count;
    transmit.call(this, batch);
  };
  XfrmTable.prototype.receive = function (batch) {
    received.calls++;
    received.items += batch.count;
    receive.call(this, batch);
  };
  const { writeSuperPacket } = TunOutput.prototype;
  const joined = probe.kind("super-packets to TUN (packets)");
  TunOutput.prototype.writeSuperPacket = function (batch, offset, headerBytes, part, packets) {
    joined.calls++;
    joined.items += packets;
    writeSuperPacket.call(this, batch, offset, headerBytes, part, packets);
  };
}

function positive(n: number): number {
  return n > 0 ? n : 0;
}

let phase: "before" | "counting" | "over" = "before";

function obey(): void {
  if (phase === "before" && exists("start")) {
    probe.reset();
    phase = "counting";
  } else if (phase === "counting" && exists("stop")) {
    const report = probe.report();
    Deno.writeTextFileSync(`${dir}/report-${report.thread}.json`, JSON.stringify(report));
    phase = "over";
  }
}

function exists(name: string): boolean {
  try {
    Deno.statSync(`${dir}/${name}`);
    return true;
  } catch {
    return false;
  }
}
