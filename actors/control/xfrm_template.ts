/**
 * Templates of policies: struct xfrm_user_tmpl, with the checks of validate_tmpl().
 */
import type { PolicyDir, XfrmMode, XfrmTemplateInfo } from "../gateway.ts";
import type { TemplateRecord } from "../../datapath/xfrm/xfrm_record.ts";
import { XfrmModeNumber } from "../../datapath/xfrm/xfrm_record.ts";
import { ANY_WORDS, formatIpAddress, type IpFamily, parseIpAddress } from "./ip_address.ts";
import { fail, ok, type Result } from "./kernel_error.ts";
import { protoName } from "./xfrm_state_info.ts";
import { PROTO_NUMBER } from "./xfrm_state_request.ts";

/** Templates of one policy (XFRM_MAX_DEPTH). A sixth can be stored, but fails at use. */
export const MAX_TEMPLATES = 6;

const MODE_NAMES = Object.keys(XfrmModeNumber) as XfrmMode[];

/** The templates of a policy of this family. */
export function parseTemplates(
  templates: readonly XfrmTemplateInfo[],
  family: IpFamily,
  dir: PolicyDir,
): Result<TemplateRecord[]> {
  if (templates.length > MAX_TEMPLATES) {
    const extack = `Template count must be <= XFRM_MAX_DEPTH (${MAX_TEMPLATES})`;
    return invalid(`${templates.length} templates are more than ${MAX_TEMPLATES}`, "tmpl", extack);
  }
  const records: TemplateRecord[] = [];
  let previous = family;
  for (const [i, template] of templates.entries()) {
    const parsed = parseTemplate(template, family, previous, dir, `tmpl.${i}`);
    if (!parsed.ok) return parsed;
    records.push(parsed.value);
    previous = parsed.value.family;
  }
  return ok(records);
}

export function templateInfo(record: TemplateRecord): Required<XfrmTemplateInfo> {
  return {
    src: formatIpAddress(record.family, record.saddr),
    dst: formatIpAddress(record.family, record.daddr),
    proto: protoName(record.proto),
    spi: record.spi,
    reqid: record.reqid,
    mode: MODE_NAMES[record.mode]!,
    level: record.optional ? "use" : "required",
  };
}

function parseTemplate(
  template: XfrmTemplateInfo,
  policyFamily: IpFamily,
  previous: IpFamily,
  dir: PolicyDir,
  attribute: string,
): Result<TemplateRecord & { readonly family: IpFamily }> {
  const src = template.src === undefined ? undefined : parseIpAddress(template.src);
  const dst = template.dst === undefined ? undefined : parseIpAddress(template.dst);
  if (src === null) return invalid(`${template.src} is no address`, `${attribute}.src`);
  if (dst === null) return invalid(`${template.dst} is no address`, `${attribute}.dst`);
  const family = dst?.family ?? src?.family ?? policyFamily;
  if (src !== undefined && src.family !== family) {
    return invalid("src and dst are of different families", `${attribute}.dst`);
  }
  const mode = template.mode ?? "transport";
  const isTunnel = mode === "tunnel" || mode === "beet";
  if (!isTunnel && family !== previous) {
    const extack = "Mode in template doesn't support a family change";
    return invalid(`mode ${mode} can't change the family`, `${attribute}.mode`, extack);
  }
  const optional = template.level === "use";
  if (optional && isTunnel && dir === "out") {
    const extack = "Mode in optional template not allowed in outbound policy";
    return invalid(`an optional template of mode ${mode} is not for dir out`, `${attribute}.level`, extack);
  }
  return ok({
    family,
    saddr: src?.words ?? ANY_WORDS,
    daddr: dst?.words ?? ANY_WORDS,
    proto: PROTO_NUMBER[template.proto],
    spi: template.spi ?? 0,
    reqid: template.reqid ?? 0,
    mode: XfrmModeNumber[mode],
    optional,
  });
}

function invalid<T = never>(state: string, attribute: string, extack?: string): Result<T> {
  return fail("EINVAL", `Cannot add policy: ${state}`, attribute, extack);
}
