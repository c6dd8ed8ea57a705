/** The daemon's events, of one namespace. */
import type { Command } from "./main.ts";
import type { GatewayEvent, NetnsInfo } from "../api/schemas.ts";

/** Events of the command's namespace as they come; ends when the daemon does. */
export async function* eventsOf({ api, netns }: Command): AsyncIterable<GatewayEvent> {
  const { name } = await api.demand<NetnsInfo>("GET", netns);
  for await (const data of api.events("/v1/events")) {
    const event = JSON.parse(data) as GatewayEvent;
    if (event.netns === name) yield event;
  }
}
