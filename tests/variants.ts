/**
 * `deno task test:variants [FILE...]`: whole-program tests in every kind of gateway that the tests in namespaces do not
 * choose themselves: placement, crypto library, offloads of all devices. Together longer than an hour; tells at the end
 * which files failed in which.
 */
const VARIANTS: readonly Record<string, string>[] = [
  { VTI_TEST_PLACEMENT: "isolated", VTI_TEST_CRYPTO: "ipsec-mb" },
  { VTI_TEST_PLACEMENT: "packed", VTI_TEST_CRYPTO: "libcrypto" },
  { VTI_TEST_PLACEMENT: "isolated", VTI_TEST_CRYPTO: "noble" },
  { VTI_TEST_PLACEMENT: "packed", VTI_TEST_CRYPTO: "ipsec-mb", VTI_TEST_OFFLOADS: "off" },
  { VTI_TEST_PLACEMENT: "isolated", VTI_TEST_CRYPTO: "libcrypto", VTI_TEST_OFFLOADS: "off" },
];
const FOLDERS = ["tests/netns", "tests/faults", "tests/security", "tests/interop"];
/** Minutes after which a file has failed. */
const FILE_LIMIT = 10;

const files = Deno.args.length > 0 ? Deno.args : (await Promise.all(FOLDERS.map(testFiles))).flat();
const failed: string[] = [];
for (const variant of VARIANTS) {
  const name = Object.values(variant).join(", ");
  console.log(`\n== ${name}`);
  for (const file of files) if (!await passes(file, variant)) failed.push(`${name}: ${file}`);
}
console.log(failed.length === 0 ? "\nall passed" : `\nfailed:\n${failed.join("\n")}`);
Deno.exit(failed.length === 0 ? 0 : 1);

async function testFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...await testFiles(`${folder}/${name}`));
    else if (name.endsWith("_test.ts")) found.push(`${folder}/${name}`);
  }
  return found.sort();
}

async function passes(file: string, variant: Record<string, string>): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", file],
    env: variant,
    signal: AbortSignal.timeout(FILE_LIMIT * 60_000),
  }).spawn().status;
  return success;
}
