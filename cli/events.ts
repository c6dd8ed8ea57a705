/** The daemon's events. */
import type { Command } from "./main.ts";
import type { GatewayEvent, NetnsInfo } from "../api/schemas.ts";

/** Events of the command's namespace as they come; ends when the daemon does. */
export async function* eventsOf(command: Command): AsyncIterable<GatewayEvent> {
  const name = await netnsName(command);
  for await (const event of allEvents(command)) if (event.netns === name) yield event;
}

/** Events of every namespace. */
export async function* allEvents({ api }: Command): AsyncIterable<GatewayEvent> {
  for await (const data of api.events("/v1/events")) yield JSON.parse(data) as GatewayEvent;
}

/** The name that events have for the command's namespace. */
export async function netnsName({ api, netns }: Command): Promise<string> {
  return (await api.demand<NetnsInfo>("GET", netns)).name;
}
