/** The words that are not the client's: run, demo, doctor, help. */
import { parseDaemonOptions, USAGE } from "./options.ts";

const EXIT_USAGE = 1;

/** Returns the exit code. */
export async function daemon(args: readonly string[]): Promise<number> {
  const [word, ...rest] = args;
  if (args.some((arg) => arg === "--help" || arg === "-h" || arg === "help")) {
    console.log(USAGE.trimEnd());
    return 0;
  }
  switch (word) {
    case "demo":
      return (await import("./demo.ts")).demo(rest);
    case "doctor":
      return (await import("./doctor.ts")).doctor();
    default: {
      const options = parseDaemonOptions(word === "run" ? rest : args);
      if ("wrong" in options) {
        console.error(`${options.wrong}\nSee --help for the words that are known.`);
        return EXIT_USAGE;
      }
      return (await import("./run.ts")).run(options);
    }
  }
}
