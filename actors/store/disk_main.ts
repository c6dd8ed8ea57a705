/** The thread of disk_thread.ts. */
import { Database } from "./database.ts";
import {
  type DiskRequest,
  DONE,
  FAILED,
  MESSAGE_AT,
  MESSAGE_BYTES,
  WORD_ANSWER,
  WORD_LENGTH,
} from "./disk_thread.ts";

let db: Database;
let words: Int32Array;
let message: Uint8Array;

/** The part of a dedicated worker's global scope that is used here. */
interface WorkerScope {
  onmessage: (event: MessageEvent<DiskRequest>) => void;
}

(self as unknown as WorkerScope).onmessage = ({ data }) => {
  if ("open" in data) {
    words = new Int32Array(data.shared);
    message = new Uint8Array(data.shared, MESSAGE_AT, MESSAGE_BYTES);
  }
  answer(attempt(data));
};

function attempt(request: DiskRequest): Error | null {
  try {
    if ("open" in request) db = new Database(request.open);
    else if ("write" in request) db.write(request.write);
    else db.close();
    return null;
  } catch (error) {
    return error as Error;
  }
}

function answer(error: Error | null): void {
  if (error !== null) {
    // Not into shared memory at once, which encodeInto() does not take.
    const text = new TextEncoder().encode(error.message).subarray(0, MESSAGE_BYTES);
    message.set(text);
    words[WORD_LENGTH] = text.length;
  }
  Atomics.store(words, WORD_ANSWER, error === null ? DONE : FAILED);
  Atomics.notify(words, WORD_ANSWER);
}
