/** `token`: makes, takes away and lists the tokens of those who use the API over TCP. The daemon need not be told. */
import { parseArgs } from "node:util";
import { SCOPES } from "../api/caller.ts";
import {
  formatTokens,
  hash,
  newToken,
  parseScopes,
  parseTokens,
  type TokenLine,
  writePrivateFile,
} from "../api/tokens.ts";

const STATE_DIR_MODE = 0o700;
/** No space, and not the name of the daemon's own token. */
const NAME = /^(?!token$)[\w.-]{1,64}$/;
const USAGE = `Usage: token add NAME SCOPES     prints a new token, in place of the one that NAME had
       token del NAME
       token list
SCOPES is one or more of ${SCOPES.join(",")}, joined by commas
--state-dir DIR is the daemon's (default /var/lib/vti-gateway)`;

/** Returns the exit code: 0, or 1 when the words are wrong or nobody has that name. */
export async function token(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { "state-dir": { type: "string", default: "/var/lib/vti-gateway" } },
    });
    const [word, name = "", list = "", ...more] = positionals;
    const file = `${values["state-dir"]}/tokens`;
    if (more.length > 0) throw new Error(USAGE);
    if (word === "list" && name === "") return await listTokens(file);
    if (!NAME.test(name)) throw new Error(USAGE);
    if (word === "del" && list === "") return await removeToken(file, name);
    const scopes = parseScopes(list);
    if (word !== "add" || scopes === null) throw new Error(USAGE);
    await Deno.mkdir(values["state-dir"], { recursive: true, mode: STATE_DIR_MODE });
    const made = newToken();
    const others = (await readTokens(file)).filter((line) => line.name !== name);
    await writePrivateFile(file, formatTokens([...others, { name, scopes, hash: hash(made) }]));
    console.log(made);
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
}

async function listTokens(file: string): Promise<number> {
  for (const { name, scopes } of await readTokens(file)) console.log(`${name} ${scopes.join(",")}`);
  return 0;
}

async function removeToken(file: string, name: string): Promise<number> {
  const lines = await readTokens(file);
  const others = lines.filter((line) => line.name !== name);
  if (others.length === lines.length) {
    throw new Error(`Cannot take away token "${name}": there is none of that name`);
  }
  await writePrivateFile(file, formatTokens(others));
  return 0;
}

async function readTokens(file: string): Promise<TokenLine[]> {
  try {
    return parseTokens(await Deno.readTextFile(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new Error(`Cannot read tokens of ${file}: ${(error as Error).message}`);
  }
}
