/** What the daemon answers, and how ip(8) would print a refusal. */
import type { Problem } from "../api/problem.ts";
import { EXIT_FAILURE, EXIT_REFUSED, Quit } from "./quit.ts";

export type { Problem };

export type Answer<T> = { readonly ok: true; readonly value: T } | {
  readonly ok: false;
  readonly problem: Problem;
};

/** A refusal as libnetlink prints it: the kernel's own words where it has any, else those of the errno. */
export function rtnetlinkAnswers(problem: Problem): Quit {
  const { errno, title, detail, extack } = problem;
  // The title of a problem with an errno is its strerror(3).
  if (errno === undefined) return new Quit(EXIT_FAILURE, `vti-gateway answers: ${title}: ${detail}`);
  if (extack === undefined) return new Quit(EXIT_REFUSED, `RTNETLINK answers: ${title}`);
  return new Quit(EXIT_REFUSED, `Error: ${extack}${extack.endsWith(".") ? "" : "."}`);
}
