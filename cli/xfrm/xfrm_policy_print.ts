/** A policy as `ip xfrm policy` prints it (iproute2 ip/ipxfrm.c xfrm_policy_info_print()). */
import type { Options } from "../options.ts";
import type { XfrmPolicyInfo } from "../../api/schemas.ts";
import { POLICY_FLAG_BITS } from "./xfrm_flags.ts";
import { joinLines, printFlags, printId, printLifetime, printMark, printSelector } from "./xfrm_print.ts";

export function printPolicy(policy: XfrmPolicyInfo, options: Options): string {
  return joinLines(policyLines(policy, options), options);
}

export function printExpiredPolicy(policy: XfrmPolicyInfo, hard: boolean, options: Options): string {
  return joinLines([...policyLines(policy, options), `\thard ${hard ? 1 : 0}`], options);
}

export function policyLines(policy: XfrmPolicyInfo, options: Options): string[] {
  const all = options.stats > 0;
  const action = all || policy.action === "block" ? `action ${policy.action} ` : "";
  const index = all ? `index ${policy.index} ` : "";
  const share = all ? "share any " : "";
  const flags = printFlags(policy.flags, POLICY_FLAG_BITS, options);
  const kind = `dir ${policy.dir} ${action}${index}priority ${policy.priority} ptype ${policy.ptype} `;
  const lines = [printSelector(policy.sel, options), `\t${kind}${share}${flags}`];
  if (all) lines.push(...printLifetime(policy.limits, policy.lifetime));
  if (policy.mark) lines.push(`\t${printMark(policy.mark)}`);
  for (const tmpl of policy.tmpl) lines.push(...templateLines(tmpl, options));
  if (policy.if_id) lines.push(`\tif_id 0x${policy.if_id.toString(16)}`);
  return lines;
}

function templateLines(tmpl: XfrmPolicyInfo["tmpl"][number], options: Options): string[] {
  const [addresses, id] = printId(tmpl, false, options);
  const lines = [`\ttmpl ${addresses}`, `\t\t${id}`];
  if (options.stats > 0) {
    lines.push(
      `\t\tlevel ${tmpl.level} share any `,
      "\t\tenc-mask ffffffff auth-mask ffffffff comp-mask ffffffff",
    );
  } else if (tmpl.level === "use") {
    lines.push("\t\tlevel use ");
  }
  return lines;
}
