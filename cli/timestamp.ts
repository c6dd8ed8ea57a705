/** The time before an event, for -t and -ts (iproute2 lib/utils.c print_timestamp()). */
import type { Options } from "./options.ts";

/** `seconds` since 1970, with fraction; shown as local time. */
export function printTimestamp(seconds: number, { timestamp }: Pick<Options, "timestamp">): string {
  if (timestamp === "") return "";
  const time = new Date(seconds * 1000);
  const microseconds = Math.round(seconds * 1e6) % 1e6;
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  if (timestamp === "short") {
    const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
    return `[${date}T${clock}.${String(microseconds).padStart(6, "0")}] `;
  }
  // As asctime(3): the C locale's names, and the day in two characters.
  const [day, month] = time.toDateString().split(" ");
  const date = `${day} ${month} ${String(time.getDate()).padStart(2)} ${clock} ${time.getFullYear()}`;
  return `Timestamp: ${date} ${microseconds} usec\n`;
}
