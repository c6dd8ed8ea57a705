/** The words that are not the client's: run, stop, demo, doctor, token, help. */
import { parseDaemonOptions, USAGE } from "./options.ts";

const EXIT_USAGE = 1;
const EXIT_FAILURE = 1;
const WORDS = "run, stop, demo, doctor, token, link, tunnel, xfrm, netns, monitor; see --help";

/** Returns the exit code. */
export async function daemon(args: readonly string[]): Promise<number> {
  const [word, ...rest] = args;
  if (args.some((arg) => arg === "--help" || arg === "-h" || arg === "help")) {
    console.log(USAGE.trimEnd());
    return 0;
  }
  switch (word) {
    case "demo":
      return await explained(async () => (await import("./demo.ts")).demo)(rest);
    case "doctor":
      return await explained(async () => (await import("./doctor.ts")).doctor)(rest);
    case "stop":
      return await explained(async () => (await import("./stop.ts")).stop)(rest);
    case "token":
      return await (await import("./token.ts")).token(rest);
    default: {
      if (word !== undefined && word !== "run" && !word.startsWith("-")) {
        console.error(`Cannot run "${word}": expected one of ${WORDS}`);
        return EXIT_USAGE;
      }
      const options = parseDaemonOptions(word === "run" ? rest : args);
      if ("wrong" in options) {
        console.error(`${options.wrong}\nSee --help for the words that are known.`);
        return EXIT_USAGE;
      }
      return await explained(async () => {
        // First, and without the rest of the program: it may begin again.
        (await import("./privileges.ts")).reducePrivileges(console.error);
        return (await import("./run.ts")).run;
      })(options);
    }
  }
}

/**
 * `load` imports a command. What it throws says that this host or this process can't: the wrong system, no C library,
 * a permission that Deno was not given. That is one sentence for the user, not a stack.
 */
function explained<A>(
  load: () => Promise<(args: A) => number | Promise<number>>,
): (args: A) => Promise<number> {
  return async (args) => {
    let command;
    try {
      command = await load();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const remedy = error instanceof Deno.errors.NotCapable ? "; use deno run -A" : "";
      console.error(`${error.message}${remedy}`);
      return EXIT_FAILURE;
    }
    return await command(args);
  };
}
