/** The daemon with workers that keep the time of what they do; bench/profile.ts tells them from when to when. */
import { parseDaemonOptions } from "../../daemon/options.ts";
import { run } from "../../daemon/run.ts";

const options = parseDaemonOptions(Deno.args);
if ("wrong" in options) throw new Error(options.wrong);
Deno.env.set("PROFILE_DIR", options.runDir);
Deno.exit(await run(options, new URL("./worker.ts", import.meta.url)));
