/**
 * SA-table actor: owner of the SAD and SPD of one namespace. Every packet of the namespace passes it, both ways.
 */
import { type Batch, KIND, TO } from "../datapath/batch.ts";
import type { FragNeeded } from "../datapath/vti/vti4_err.ts";
import { PmtuCache } from "../datapath/xfrm/pmtu_cache.ts";
import { POLICY_CELLS_BYTES, XFRM_CELLS_BYTES } from "../datapath/xfrm/xfrm_cells.ts";
import { XfrmTable } from "../datapath/xfrm/xfrm_table.ts";
import { selectBackend } from "../ffi/crypto_backend.ts";
import { ZlibCompressor } from "../ffi/deflate_zlib.ts";
import { RtnetlinkRoutes } from "../ffi/rtnetlink.ts";
import { memoryAt } from "../ffi/shared_memory.ts";
import type { XfrmChange } from "./control/xfrm_change.ts";
import { addressNext } from "./delivery.ts";
import {
  BatchKind,
  type GatewayLetter,
  type QuarantineInit,
  type SaTableInit,
  type SaTableLetter,
} from "./messages.ts";
import { Stage } from "./poison_mark.ts";
import { Quarantine } from "./quarantine.ts";
import { type ActorId, type Behaviour, type Context, MAIN, type Reply } from "./runtime/behaviour.ts";
import { SteadyClock } from "./steady_clock.ts";

export class SaTableActor implements Behaviour<Batch> {
  readonly #context: Context<Batch>;
  readonly #netns: ActorId;
  readonly #pmtu: PmtuCache;
  readonly #table: XfrmTable;
  readonly #clock: SteadyClock;
  readonly #quarantine: Quarantine;
  readonly #transmit = (batch: Batch) => this.#table.transmit(batch);
  readonly #receive = (batch: Batch) => this.#table.receive(batch);

  constructor(context: Context<Batch>, init: SaTableInit, quarantine: QuarantineInit) {
    this.#context = context;
    this.#netns = init.netns;
    const routes = new RtnetlinkRoutes(init.routeFd);
    this.#pmtu = new PmtuCache(routes, init.pmtu);
    this.#table = new XfrmTable({
      backend: selectBackend(init.crypto),
      compressor: new ZlibCompressor(),
      routes: this.#pmtu,
      stackRoutes: routes,
      mib: init.mib,
      ipDefaultTtl: init.ipDefaultTtl,
    });
    this.#table.exempt(init.noPolicy, init.noXfrm);
    this.#quarantine = new Quarantine(context, quarantine, (reason) => this.#table.countMib(reason));
    this.#clock = new SteadyClock(init.clockOffset);
    for (const change of init.changes) this.#apply(change);
    this.tick();
  }

  receive(message: unknown, _from: ActorId, reply: Reply): void {
    const letter = message as SaTableLetter;
    switch (letter.op) {
      case "xfrm":
        this.#apply(letter.change);
        break;
      case "routes-changed":
        letter.gone?.forEach((routes) => this.#pmtu.forget(routes));
        this.#table.routesChanged();
        break;
      case "sysctls":
        this.#table.defaultTtl = letter.sysctls.ipDefaultTtl;
        this.#pmtu.options = letter.sysctls.pmtu;
        this.#table.exempt(letter.sysctls.noPolicy, letter.sysctls.noXfrm);
        break;
      case "frag-needed":
        letter.reports.forEach((said) => this.#fragNeeded(said));
        break;
    }
    reply(null);
  }

  parcel(batch: Batch): void {
    this.#table.now = Math.floor(this.#clock.now());
    const i32 = batch.i32;
    if (i32[KIND] === BatchKind.transmit) {
      this.#quarantine.run(Stage.transmit, batch, this.#transmit);
      i32[KIND] = BatchKind.send;
      i32[TO] = this.#netns;
    } else {
      this.#quarantine.run(Stage.receive, batch, this.#receive);
      addressNext(batch);
    }
    this.#context.sendParcel(batch);
  }

  #apply(change: XfrmChange): void {
    const table = this.#table;
    switch (change.op) {
      case "state-add":
        // The gateway has asked the same library before, so this can't be refused.
        table.addState({ ...change.record, cells: memoryAt(change.record.cells, XFRM_CELLS_BYTES) });
        break;
      case "state-reserve":
        table.reserveState(change.record);
        break;
      case "state-upd":
        table.updState(change);
        break;
      case "state-dying":
        table.setDying(change.number);
        break;
      case "state-del":
        table.delState(change.number);
        break;
      case "policy-add":
      case "policy-upd":
        table.addPolicy({ ...change.record, cells: memoryAt(change.record.cells, POLICY_CELLS_BYTES) });
        break;
      case "policy-del":
        table.delPolicy(change.index, change.dir, change.type);
        break;
      case "spd":
        table.setDefault(change.blocksIn, change.blocksFwd);
        break;
    }
  }

  /** Tells the gateway which SAs have passed a limit, moved, or were missed since the last turn. */
  flush(): void {
    this.#table.drainExpired((number, hard) => {
      const letter: GatewayLetter = { op: "expired", number, hard };
      this.#context.send(MAIN, letter);
    });
    this.#table.drainMapped((number, src, port) => {
      const letter: GatewayLetter = { op: "mapped", number, src, port };
      this.#context.send(MAIN, letter);
    });
    this.#table.acquires.drain((wanted) => {
      const letter: GatewayLetter = { op: "acquire", wanted };
      this.#context.send(MAIN, letter);
    });
  }

  stop(): void {
    this.#table.destroy();
  }

  ready(): void {}
  available(): void {}
  /** The path of a packet that this table sent is narrower than was known. */
  #fragNeeded({ mark, saddr, daddr, spi, seq, proto, mtu }: FragNeeded): void {
    if (!this.#table.hasSent(mark, daddr, spi, seq, proto)) return;
    if (this.#pmtu.update(daddr, saddr, mtu, this.#table.now)) this.#table.routesChanged();
  }

  tick(): void {
    this.#table.now = Math.floor(this.#clock.now());
    if (this.#pmtu.expire(this.#table.now)) this.#table.routesChanged();
  }
}
