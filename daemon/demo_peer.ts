/**
 * One end of the demo's transfer, in a namespace of its own: `receive HOST PORT` prints the bytes it got,
 * `send HOST PORT SECONDS` sends as fast as it can. Ends with its standard input, so that it can't outlive the demo.
 */
const CHUNK_BYTES = 256 * 1024;

Deno.stdin.readable.pipeTo(new WritableStream()).finally(() => Deno.exit(1));

const [role, hostname, port, seconds] = Deno.args;
if (role === "receive") await receive(hostname!, Number(port));
else await send(hostname!, Number(port), Number(seconds));
Deno.exit(0);

async function receive(hostname: string, port: number): Promise<void> {
  const listener = Deno.listen({ hostname, port });
  console.log("listening");
  const connection = await listener.accept();
  const chunk = new Uint8Array(CHUNK_BYTES);
  let total = 0;
  let started = 0;
  for (let n = await connection.read(chunk); n !== null; n = await connection.read(chunk)) {
    started ||= performance.now();
    total += n;
  }
  console.log(JSON.stringify({ bytes: total, seconds: (performance.now() - started) / 1000 }));
}

async function send(hostname: string, port: number, seconds: number): Promise<void> {
  const connection = await Deno.connect({ hostname, port });
  const chunk = new Uint8Array(CHUNK_BYTES);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) await connection.write(chunk);
  connection.close();
}
