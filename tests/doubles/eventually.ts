/** Waiting for what happens by itself. */

const LIMIT_MS = 10_000;
const LOOK_MS = 25;

/** Looks until `look` returns without throwing; after LIMIT_MS what it threw last is thrown. */
export async function eventually<T>(look: () => Promise<T> | T, limitMs = LIMIT_MS): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
