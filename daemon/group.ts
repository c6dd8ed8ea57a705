/** The group whose members may use the unix socket. */

/** Where the host has it; made by packaging/sysusers.d. */
const GROUP = "vti-gateway";

/**
 * Gives the run directory to the group, so that its members reach the socket in it. Returns the group's id for the
 * socket; undefined when the host has no such group, or when this process may not give files to it.
 */
export async function giveToGroup(
  runDir: string,
  log: (line: string) => void,
  groups = "/etc/group",
): Promise<number | undefined> {
  const gid = groupId(await Deno.readTextFile(groups).catch(() => ""), GROUP);
  if (gid === null) return undefined;
  try {
    await Deno.chown(runDir, null, gid);
    return gid;
  } catch (error) {
    log(
      `Give ${runDir} to the group ${GROUP}: ${
        (error as Error).name
      }; only the daemon's own group may use the API`,
    );
    return undefined;
  }
}

/** The id of `name` in the text of group(5); null when it has no such line. */
export function groupId(text: string, name: string): number | null {
  const line = text.split("\n").find((row) => row.startsWith(`${name}:`));
  const id = line?.split(":")[2] ?? "";
  return /^[0-9]+$/.test(id) ? Number(id) : null;
}
