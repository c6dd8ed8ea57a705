/** The path of one device. Names that URLs take for steps stand for a name that no device has. */
export function linkPath(netns: string, ifname: string): string {
  const isStep = ifname === "" || ifname === "." || ifname === "..";
  return `${netns}/links/${encodeURIComponent(isStep ? "/" : ifname)}`;
}
