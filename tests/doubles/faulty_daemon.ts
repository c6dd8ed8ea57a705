/** The daemon with workers that fail when told to: SIGWINCH makes one throw, SIGUSR2 makes one hang. */
import { parseDaemonOptions } from "../../daemon/options.ts";
import { run } from "../../daemon/run.ts";

const options = parseDaemonOptions(Deno.args);
if ("wrong" in options) throw new Error(options.wrong);
const dir = `${options.runDir}/faults`;
Deno.mkdirSync(dir, { recursive: true });
Deno.env.set("FAULT_DIR", dir);
Deno.addSignalListener("SIGWINCH", () => Deno.writeTextFileSync(`${dir}/throw`, ""));
Deno.addSignalListener("SIGUSR2", () => Deno.writeTextFileSync(`${dir}/hang`, ""));
Deno.exit(await run(options, new URL("./faulty_worker.ts", import.meta.url)));
